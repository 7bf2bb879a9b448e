"""The command `secateur`, which checks a study without running it."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from secateur import Refused
from secateur.study import settings, study_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or after an error of the study or its files, told in one line, 1.

    All other errors keep their traceback.
    """
    parser = argparse.ArgumentParser(prog="secateur", description="Channel pruning of CNNs")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="check a study before any long job")
    check.add_argument("study", nargs="?", default="config/config.yaml", help="its file (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="warning: %(message)s")
    try:
        print(checked(options.study), end="")
    except (Refused, OSError) as error:
        print(f"secateur check: {options.study}: {error}", file=sys.stderr)
        return 1
    return 0


def checked(path: Path | str) -> str:
    """The page of `secateur check` on a study file."""
    config = settings.checked(study_file.read(path))
    # torch takes seconds to import: an error in the settings is reported before.
    from secateur.preview import page

    return page.text(config)


if __name__ == "__main__":
    sys.exit(main())
