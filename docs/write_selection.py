"""Write docs/selection-results.md from the results of finished studies with learned criteria.

python docs/write_selection.py results/STUDY ... > docs/selection-results.md
"""

import sys

from secateur.figures import documents
from secateur.verdicts import selection_page, selection_study


def page(folders):
    """The page as Markdown; ValueError names a folder that holds no finished study with learned criteria."""
    studies = list(map(selection_study.read, folders))
    return documents.as_markdown(selection_page.blocks(studies, folders))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        sys.stdout.write(page(sys.argv[1:]))
    except (ValueError, OSError) as error:
        sys.exit(f"write_selection: {error}")
