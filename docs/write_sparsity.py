"""Write docs/sparsity-results.md from the results of finished studies of sparse training.

python docs/write_sparsity.py results/STUDY ... > docs/sparsity-results.md
"""

from secateur.figures import documents
from secateur.verdicts import page_command, sparsity_page, sparsity_study


def page(folders):
    """The page as Markdown; ValueError names a folder that holds no finished study of sparse training."""
    studies = list(map(sparsity_study.read, folders))
    return documents.as_markdown(sparsity_page.blocks(studies, folders))


if __name__ == "__main__":
    page_command.run(__file__, __doc__, page)
