"""Write docs/recovery-results.md from what docs/measured keeps of finished studies of recovery.

python docs/write_recovery.py docs/measured/STUDY ... > docs/recovery-results.md
"""

from secateur.figures import documents
from secateur.verdicts import page_command, recovery_page, recovery_study


def page(folders):
    """The page as Markdown; ValueError names a folder that holds no finished study of recovery."""
    studies = list(map(recovery_study.read, folders))
    return documents.as_markdown(recovery_page.blocks(studies))


if __name__ == "__main__":
    page_command.run(__file__, __doc__, page)
