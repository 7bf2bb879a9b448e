"""Write the reference of columns in docs/notebook.md from the package's own descriptions: make docs."""

from pathlib import Path

from secateur.results import columns

PAGE = Path(__file__).resolve().parent / "notebook.md"
START, END = "<!-- columns: written by make docs -->", "<!-- end of columns -->"


def updated(text):
    """The page with the reference of columns between its two marks made anew."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    parts = [_table(name, meanings) for name, meanings in columns.TABLES.items()]
    return f"{before}{START}\n\n{''.join(parts)}{END}{after}"


def _table(name, meanings):
    sometimes = columns.SOMETIMES.get(name, ())
    lines = [f"### `{name}`", "", "| column | meaning |", "| --- | --- |"]
    for column, meaning in meanings.items():
        note = " (in some studies)" if column in sometimes else ""
        lines.append(f"| `{column}` | {meaning}{note} |")
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
