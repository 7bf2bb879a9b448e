"""The command `secateur`: checks a study without running it, says how far one is, and shows what it has so far."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from secateur import Refused
from secateur.preview import status
from secateur.study import settings, study_file
from secateur.study.study import Study


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or after an error of the study or its files, told in one line, 1.

    All other errors keep their traceback.
    """
    parser = argparse.ArgumentParser(prog="secateur", description="Channel pruning of CNNs")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="check a study before any long job")
    of_status = commands.add_parser("status", help="show how far a study is, also while it runs")
    of_page = commands.add_parser("page", help="write the page of a study that is not finished, also while it runs")
    for command, page in ((check, checked), (of_status, status_of), (of_page, page_of)):
        command.add_argument("study", nargs="?", default="config/config.yaml", help="its file (default: %(default)s)")
        command.set_defaults(page=page)
    options = parser.parse_args(arguments)
    logging.basicConfig(format="warning: %(message)s")
    try:
        print(options.page(options.study), end="")
    except (Refused, OSError) as error:
        print(f"secateur {options.command}: {options.study}: {error}", file=sys.stderr)
        return 1
    return 0


def checked(path: Path | str) -> str:
    """The page of `secateur check` on a study file."""
    config = settings.checked(study_file.read(path))
    # torch takes seconds to import: an error in the settings is reported before.
    from secateur.preview import page

    return page.text(config)


def status_of(path: Path | str) -> str:
    """The page of `secateur status` on a study file, in the folder where it runs."""
    return status.text(Study.of(study_file.read(path)))


def page_of(path: Path | str) -> str:
    """The words of `secateur page` on a study file: where it wrote the page, and what is missing."""
    study = Study.of(study_file.read(path))
    # matplotlib takes a second to import, which a status does without.
    from secateur.preview import partial_page

    return partial_page.write(study)


if __name__ == "__main__":
    sys.exit(main())
