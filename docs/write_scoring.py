"""Write docs/scoring-results.md from what docs/measured keeps of finished studies with scorers.

python docs/write_scoring.py docs/measured/STUDY ... > docs/scoring-results.md
"""

from secateur.figures import documents
from secateur.verdicts import page_command, scoring_page, scoring_study


def page(folders):
    """The page as Markdown; ValueError names a folder that holds no finished study with scorers."""
    studies = list(map(scoring_study.read, folders))
    return documents.as_markdown(scoring_page.blocks(studies))


if __name__ == "__main__":
    page_command.run(__file__, __doc__, page)
