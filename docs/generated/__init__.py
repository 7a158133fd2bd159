"""The parts of the pages that are made from the code: each module here has a function that returns Markdown.

`directive` puts them into the pages when Sphinx builds; `architecture` writes a page that is kept in the repository.
"""
