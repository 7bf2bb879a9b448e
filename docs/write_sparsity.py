"""Write docs/sparsity-results.md from the results of finished studies of sparse training.

python docs/write_sparsity.py results/STUDY ... > docs/sparsity-results.md
"""

import sys

from secateur.figures import documents
from secateur.verdicts import sparsity_page, sparsity_study


def page(folders):
    """The page as Markdown; ValueError names a folder that holds no finished study of sparse training."""
    studies = list(map(sparsity_study.read, folders))
    return documents.as_markdown(sparsity_page.blocks(studies, folders))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        sys.stdout.write(page(sys.argv[1:]))
    except (ValueError, OSError) as error:
        sys.exit(f"write_sparsity: {error}")
