"""Write docs/resnets.md from the results of finished studies of one network each.

python docs/write_resnets.py results/resnet20-cifar10 results/resnet56-cifar10 > docs/resnets.md
"""

from secateur.figures import documents
from secateur.verdicts import across, across_page, page_command


def page(folders):
    """The page as Markdown; ValueError names a folder that holds no finished study."""
    studies = list(map(across.read, folders))
    return documents.as_markdown(across_page.blocks(studies, folders))


if __name__ == "__main__":
    page_command.run(__file__, __doc__, page)
