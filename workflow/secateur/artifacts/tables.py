"""The only reader and the only writer of CSV tables."""

from pathlib import Path

import pandas

from secateur import Refused
from secateur.artifacts import files

# Names of layers and classes may be digits ("0"), and must be read as text.
TEXT = {"layer": str, "class": str, "criterion": str, "variant": str, "recovery": str, "empty": str}
# The recovery of networks as pruning left them.
AS_PRUNED = "none"


def of_recovery(table: pandas.DataFrame, recovery: str = AS_PRUNED) -> pandas.DataFrame:
    """Rows of one recovery, as pruned unless it is named: those of everything that says nothing else."""
    return table[table["recovery"] == recovery]


def first_floor(table: pandas.DataFrame, recovery: str = AS_PRUNED) -> pandas.DataFrame:
    """Rows of one recovery and of the first floor, that is of the first `keep_at_least`.

    Those of all figures but the ones of the floors and of the recoveries.
    """
    table = of_recovery(table, recovery)
    return table[table["keep_at_least"] == table["keep_at_least"].iloc[0]]


def write(table: pandas.DataFrame, path: Path | str) -> None:
    """Write a table so that equal results are equal files: nine significant digits, no index, Unix line endings."""
    with files.replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.9g", lineterminator="\n")


def read(path: Path | str, *columns: str) -> pandas.DataFrame:
    """Read a table; Refused if it is no CSV, or lacks any of `columns`."""
    path = Path(path)
    try:
        table = pandas.read_csv(path, dtype=TEXT, keep_default_na=False, na_values=[""])
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is not a readable CSV table ({error}); delete it and run again") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise Refused(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; it has "
            f"{', '.join(map(str, table.columns))}. Delete it and run again if it is not your own"
        )
    return table
