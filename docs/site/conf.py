"""The documentation as a site: Sphinx reads the pages as they lie in the repository, and GitHub shows the same files.

make site
"""

import shutil
from pathlib import Path

# Every page stands here once, under a short name and in the order in which a reader needs it. A page that is left out,
# or that is not there, stops `make site`.
NAVIGATION = {
    "Start": {
        "Settings of a study": "config/README",
        "Reading the report": "docs/report",
        "Two studies side by side": "docs/compare",
        "In a notebook": "docs/notebook",
        "As a module": "docs/module",
    },
    "What ranks": {
        "Criteria": "docs/criteria",
        "Relevance": "docs/relevance",
        "Units": "docs/units",
        "Channels chosen by learning": "docs/selection",
        "A network that scores": "docs/scoring",
    },
    "What is left": {
        "Evaluation": "docs/evaluation",
        "Recovery without training": "docs/recovery",
        "Retraining": "docs/retraining",
        "Export": "docs/export",
        "Sparse training": "docs/sparsity",
        "Winning tickets": "docs/tickets",
    },
    "Large studies": {
        "Images and disk": "docs/scale",
        "On a cluster": "profiles/README",
        "When a run ends early": "docs/crashes",
        "Studies that share": "docs/sharing",
        "The same numbers again": "docs/determinism",
    },
    "Measured": {
        "Recovery": "docs/recovery-results",
        "How much of which layer": "docs/allocation",
        "ResNets, by every criterion": "docs/resnets",
        "The thesis, its network": "docs/thesis",
        "The thesis, own trainings": "docs/thesis-trainings",
        "Channels chosen by learning": "docs/selection-results",
        "A network that scores": "docs/scoring-results",
        "Sparse training": "docs/sparsity-results",
        "Winning tickets": "docs/tickets-results",
        "Tables that are kept": "docs/measured/README",
    },
    "Development": {
        "Contributing": "CONTRIBUTING",
        "Architecture": "docs/architecture",
        "Extending": "docs/extending",
        "Changes": "CHANGELOG",
    },
}

project = "secateur"
copyright = "the secateur authors"
root_doc = "README"
# Not only the pages above: one that is written and not placed is an error too.
include_patterns = ["*.md", "config/README.md", "docs/*.md", "docs/measured/README.md", "profiles/README.md"]
# Folders without pages, so that they are not searched.
exclude_patterns = [".*", "build", "data", "logs", "results", "tests", "workflow"]

extensions = ["myst_parser"]
# Headings are addressed as on GitHub, `page.md#a-heading`.
myst_heading_anchors = 4
# Options of commands stay as they are typed: `--cores` is no dash.
smartquotes = False
# A block without a language is a command or an output.
highlight_language = "none"

html_theme = "furo"
html_title = "secateur"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_use_index = False
# Excerpts would be fetched page by page, which a browser refuses for files that are opened by double click.
html_show_search_summary = False


def with_navigation(app, name, content):
    """Append the navigation to the front page, because README.md itself is to read well on GitHub.

    content is a list of one string, the text of the page, which Sphinx reads after this.
    """
    if name == root_doc:
        content[0] += "".join(toctree(caption, pages) for caption, pages in NAVIGATION.items())


def toctree(caption, pages):
    """One part of the navigation in the words of MyST; pages is {name in the navigation: path without suffix}."""
    entries = "\n".join(f"{name} </{path}>" for name, path in pages.items())
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"


def with_index(app, error):
    """Give the front page the name under which servers and people look for it."""
    if error is None:
        shutil.copyfile(Path(app.outdir, f"{root_doc}.html"), Path(app.outdir, "index.html"))


def setup(app):
    """Connect both to Sphinx."""
    app.connect("source-read", with_navigation)
    app.connect("build-finished", with_index)
