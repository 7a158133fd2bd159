"""Reports what finished logs say as a whole: as a page, as text, as a Parquet file. DuckDB answers, out of core.

Reading side. Imports neither jax nor OpenTelemetry, and DuckDB, jinja2 and vl-convert (the extra `report`) only when a
command runs. `sql/` holds the questions, `facts` the types of the answers, `sections` puts them into words, and `page`
and `markdown` write those.
"""
