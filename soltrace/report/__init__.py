"""What a finished log says as a whole: a page, a summary as text, a Parquet file. Asked of DuckDB, out of core.

Reading side. Imports neither jax nor OpenTelemetry; DuckDB, jinja2 and vl-convert (extra `report`) only when a command
runs. `facts` is what a report says, `sql/` the questions, `sections` their answers in words, `page` and `markdown` the
forms that those take.
"""
