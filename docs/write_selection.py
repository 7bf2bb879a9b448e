"""Write docs/selection-results.md from the results of finished studies with learned criteria.

python docs/write_selection.py results/STUDY ... > docs/selection-results.md
"""

from secateur.figures import documents
from secateur.verdicts import page_command, selection_page, selection_study


def page(folders):
    """The page as Markdown; ValueError names a folder that holds no finished study with learned criteria."""
    studies = list(map(selection_study.read, folders))
    return documents.as_markdown(selection_page.blocks(studies, folders))


if __name__ == "__main__":
    page_command.run(__file__, __doc__, page)
