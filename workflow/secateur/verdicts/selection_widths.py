"""The measured networks at the widths of learned criteria: their own, and those of the selections beside them."""

from __future__ import annotations

from secateur.study.kinds import KINDS, SCRATCH, Cell
from secateur.verdicts.selection_study import Entry, Study

# Selections beside a learned one at its widths: {beginning of the name: in words}.
OPPONENTS = {"l1": "`l1`", "taylor_activation": "`taylor_activation`", "shuffled": "random channels"}


def joint(study: Study) -> list[Entry]:
    """The learned criteria whose gate phase trains the weights too."""
    return [entry for entry in study.entries if entry["weights"] == "joint"]


def that_can_be(study: Study, kind: str) -> list[Entry]:
    """The learned criteria that can have networks of a kind."""
    return joint(study) if KINDS[kind].learned else study.entries


def groups(study: Study) -> list[list[Entry]]:
    """The learned criteria by their widths, in the order of the study: those of a group have equal ones."""
    by_widths = {}
    for entry in study.entries:
        by_widths.setdefault(tuple(study.kept[entry["name"]].items()), []).append(entry)
    return list(by_widths.values())


def measured(study: Study, entry: Entry, kind: str) -> Cell | None:
    """The network of a learned criterion as a kind, or None where it was not measured."""
    cell = study.of(entry, kind)
    return cell if study.has(cell) else None


def beside(study: Study, entry: Entry, kind: str, opponent: str) -> Cell | None:
    """A measured network of another selection at the widths of an entry, or None.

    The order of a score does not depend on the entry that it stands beside, so that one of equal widths will do; that
    of the entry itself comes first. Random channels do differ: the first entry with such networks gives them to all, so
    that every difference is to those that the table of accuracies shows.
    """
    (group,) = [group for group in groups(study) if entry in group]
    if opponent != "shuffled":
        group = sorted(group, key=lambda other: other["name"] != entry["name"])
    for other in group:
        cell = study.of(other, kind, opponent)
        if study.has(cell):
            return cell
    return None


def fresh(study: Study, entry: Entry) -> Cell | None:
    """A measured network of fresh weights at the widths of an entry, whatever selected its channels, or None."""
    for opponent in ("", *OPPONENTS):
        cell = beside(study, entry, SCRATCH.name, opponent)
        if cell:
            return cell
    return None
