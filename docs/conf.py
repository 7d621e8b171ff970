"""Sphinx settings: `python -m sphinx -W -n -b html docs build/docs`, which needs no network."""

import re

from lowprec import __version__

project = "lowprec"
author = "the lowprec authors"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_design",
]
exclude_patterns = ["figures"]
html_static_path = ["_static"]
html_css_files = ["lowprec.css"]
html_theme = "furo"
html_title = f"lowprec {version}"
html_copy_source = False
html_show_sphinx = False

# Pages are Markdown that GitHub shows as well; headings can be linked to by their words.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath"]

# Signatures show names and defaults; types and shapes are in the docstrings, as in NumPy's pages.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autosummary_generate = False
add_module_names = False
maximum_signature_line_length = 80

# Sections of docstrings as plain lists: "array_like of float32" is words, and not a name to find.
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]

# In docstrings, `name` is a link where it is a public name, and code where it is a parameter.
default_role = "py:obj"


def _leave_as_code(app, env, node, contnode):
    return contnode if node.get("reftype") == "obj" else None


def _without_the_last_empty_line(app, name, source):
    """Of blocks with prompts, where doctest needs it (tests/test_docs.py)."""
    source[0] = re.sub(r"(?m)^(```python\n(?:(?!```).*\n)*?)\n(```)$", r"\1\2", source[0])


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", _without_the_last_empty_line)
    app.connect("missing-reference", _leave_as_code)
