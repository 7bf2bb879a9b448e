"""Keep in docs/measured what pages read of finished studies.

python docs/keep_results.py results/STUDY ...
"""

import sys

from secateur import Refused
from secateur.verdicts import kept_results


def main(folders):
    """Copy the files of each folder, and print where they lie."""
    for folder in folders:
        copy = kept_results.keep(folder, kept_results.PLACE)
        count = len(kept_results.files(copy))
        print(f"{copy}: {count} files")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(__doc__)
    try:
        main(sys.argv[1:])
    except (Refused, OSError) as error:
        sys.exit(f"keep_results: {error}")
