"""The command `secateur`: what can be asked of a study without running it."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from secateur import Refused
from secateur.study import settings, study_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 1, after one line, where something is wrong with the study.

    Errors that are no fault of the study or of its files keep their traceback.
    """
    parser = argparse.ArgumentParser(prog="secateur", description="Which channels of a network can go?")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="look at a study before any long job")
    check.add_argument("study", nargs="?", default="config/config.yaml", help="its file (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(format="warning: %(message)s")
    try:
        print(checked(chosen.study), end="")
    except (Refused, OSError) as error:
        print(f"secateur check: {chosen.study}: {error}", file=sys.stderr)
        return 1
    return 0


def checked(path: Path | str) -> str:
    """What `secateur check` says of a study file."""
    config = settings.checked(study_file.read(path))
    # torch takes seconds to import, which a mistake in the settings need not wait for.
    from secateur.preview import page

    return page.text(config)
