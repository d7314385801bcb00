"""Sphinx configuration."""

from importlib.metadata import version as version_of

project = "Occasion"
author = "The Occasion authors"
release = version = version_of("occasion")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Occasion {release}"
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
# Formulas in docstrings are plain text; a single backquote is a name, not a reference to resolve.
default_role = "code"
# Types in docstrings are words ("filter : Filter, text or mapping"); more than one class has a field called text.
suppress_warnings = ["ref.python"]
