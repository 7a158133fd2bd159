"""How Sphinx builds these pages: `make docs`.

Sphinx, because it alone of the generators reads docstrings by importing, resolves every reference and can be told that
an unresolved one is an error; MyST, so that pages are Markdown, which reads well in the repository too; furo, because
it is plain. All three are well kept and under permissive licences.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # no look-out for accelerators
sys.path.insert(0, str(Path(__file__).parent))

import soltrace

project = "soltrace"
author = "The soltrace contributors"
project_copyright = author
version = release = soltrace.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated.directive"]
exclude_patterns = ["generated"]
nitpicky = True
# What is documented elsewhere: no inventory is fetched, so that the pages can be built without a network. What is ours
# and public has to resolve.
nitpick_ignore_regex = [
    ("py:.*", r"(?!soltrace\.).*"),
    ("py:.*", r"soltrace\.(host|sinks|traced|wire|export|setup|reading|experiments)\..*"),
]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

smartquotes = False  # `--plain` has two hyphens
default_role = "literal"  # in docstrings `a` is code, as in Markdown
autoclass_content = "both"  # what the class is, and what it takes
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
maximum_signature_line_length = 80
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"soltrace {release}"
html_static_path = ["style"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
