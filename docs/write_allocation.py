"""Write docs/allocation.md from what docs/measured keeps of finished studies of allocation.

python docs/write_allocation.py docs/measured/STUDY ... > docs/allocation.md
"""

from secateur.figures import documents
from secateur.verdicts import allocation_page, allocation_study, page_command


def page(folders):
    """The page as Markdown; ValueError names a folder that holds no finished study of allocation."""
    return documents.as_markdown(allocation_page.blocks(list(map(allocation_study.read, folders))))


if __name__ == "__main__":
    page_command.run(__file__, __doc__, page)
