"""Costs of fits by gradients and by an evolutionary search, and the epochs until networks come back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas

from secateur.analysis import epochs, intervals
from secateur.analysis.paired_tests import FAILS, HOLDS, UNKNOWN
from secateur.study import learned
from secateur.study.kinds import KINDS, RETRAINED, STAGES
from secateur.verdicts import paired, selection_judging
from secateur.verdicts.across import Difference
from secateur.verdicts.paired import NOT_MEASURED, Item
from secateur.verdicts.scoring_study import Entry, Study, alike, plain

# Settings that a search does not have, and its length.
OF_GRADIENTS = ("fit", "epochs", "gate_optimizer", "gate_learning_rate", "gate_gradient")
# The part at the end of a fit in which it should no longer improve, and the improvement, in nats, that is none.
LAST, STILL = 0.2, 0.01


@dataclasses.dataclass(frozen=True)
class Race:
    """Two fits of one training: passes and CPU seconds of each, and until it reaches the end of the other, or NaN.

    An end is the least validation loss. `own` are the passes until each first reached its own: a fit that goes on from
    there cost no more.
    """

    ends: tuple[float, float]  # least validation losses in nats
    forwards: tuple[float, float]
    seconds: tuple[float, float]
    own: tuple[float, float]  # forward passes
    reached: tuple[float, float]  # forward passes
    seconds_reached: tuple[float, float]

    @property
    def winner(self) -> str:
        """HOLDS where the first alone reaches the end of the second in fewer passes than that, FAILS the other way."""
        first = self.reached[0] < self.own[1]
        second = self.reached[1] < self.own[0]
        if first == second:
            return UNKNOWN
        return HOLDS if first else FAILS


def races(study: Study, first: Entry, second: Entry) -> list[Race]:
    """The races of two entries, one for each training, their first draws."""
    found = []
    for seed in study.seeds:
        sides = [_fit(study, entry, seed) for entry in (first, second)]
        ends = (float(sides[0]["validation_loss"].min()), float(sides[1]["validation_loss"].min()))
        reached = (_until(sides[0], ends[1]), _until(sides[1], ends[0]))
        found.append(
            Race(
                ends,
                (float(sides[0]["forwards"].iloc[-1]), float(sides[1]["forwards"].iloc[-1])),
                (float(sides[0]["seconds"].iloc[-1]), float(sides[1]["seconds"].iloc[-1])),
                (_until(sides[0], ends[0])[0], _until(sides[1], ends[1])[0]),
                (reached[0][0], reached[1][0]),
                (reached[0][1], reached[1][1]),
            )
        )
    return found


def _fit(study, entry, seed):
    """The epochs of the first draw of a fit in which all is closed that will be: earlier ones judge other networks."""
    rows = study.fits[(study.fits["entry"] == entry["name"]) & (study.fits["seed"] == seed)]
    rows = rows[rows["draw"] == f"{entry['name']}.0"]
    return rows[rows["closings"] == 1].sort_values("epoch")


def _until(rows, loss):
    """(forward passes, CPU seconds) until a validation loss, NaN where it is not reached."""
    there = rows[rows["validation_loss"] <= loss]
    if there.empty:
        return float("nan"), float("nan")
    return float(there["forwards"].iloc[0]), float(there["seconds"].iloc[0])


def improved(study: Study, entry: Entry) -> float:
    """The largest fall of the validation loss, over trainings, that shows that a fit was not at its end, in nats.

    Where the study has the same fit over more epochs, that is how much lower it ends, because a learning rate that
    falls to zero stops every fit; else the fall of its least loss so far over the last part of the fit itself. Infinite
    for a fit of too few epochs to tell.
    """
    longer = [other for other in study.scorers if _is_longer(other, entry)]
    falls = []
    for seed in study.seeds:
        losses = _fit(study, entry, seed)["validation_loss"].to_numpy()
        if longer:
            ends = [float(_fit(study, other, seed)["validation_loss"].iloc[-1]) for other in longer]
            falls.append(float(losses[-1]) - min(ends))
        elif len(losses) < 2:
            return float("inf")
        else:
            start = max(0, len(losses) - 1 - max(1, round(LAST * len(losses))))
            # The least so far: a search fluctuates around its end, and half of all fluctuations fall.
            least = np.minimum.accumulate(losses)
            falls.append(float(least[start] - least[-1]))
    return max(falls)


def _is_longer(other, entry):
    return learned.fitted(other) and alike(other, entry, "epochs") and other["epochs"] > entry["epochs"]


def pairs(study: Study) -> Iterator[tuple[Entry, Entry]]:
    """(a plain fit by gradients, a search) that differ in nothing but the way of fitting and its length."""
    for entry in filter(plain, study.scorers):
        for other in study.scorers:
            searched = learned.fitted(other) and other["fit"] == "evolution"
            if searched and alike(entry, other, *OF_GRADIENTS):
                yield entry, other


def cheaper(study: Study) -> Iterator[Item]:
    """Fits by gradients reach the least loss of a search in fewer passes than it took, in all of several trainings.

    Nothing is told while the one that is behind still improves: it might catch up. What the other one still gains only
    adds to its lead.
    """
    for first, second in pairs(study):
        found = races(study, first, second)
        verdicts = [race.winner for race in found]
        still = [entry["name"] for entry in (first, second) if improved(study, entry) > STILL]
        agreed = len({*verdicts}) == 1 and len(verdicts) > 1
        verdict = verdicts[0] if agreed else UNKNOWN
        behind = {HOLDS: second["name"], FAILS: first["name"]}.get(verdict)
        if behind in still:
            verdict = UNKNOWN
        row = {
            "study": study.label,
            "compared": f"`{first['name']}` against `{second['name']}`",
            "least validation loss, nats": _both(found, "ends", "{:.3f}"),
            "passes of one image": _both(found, "forwards", "{:,.0f}"),
            "passes until its own least loss": _both(found, "own", "{:,.0f}"),
            "passes until the other's": _both(found, "reached", "{:,.0f}"),
            "CPU seconds": _both(found, "seconds", "{:,.0f}"),
            "CPU seconds until the other's": _both(found, "seconds_reached", "{:,.0f}"),
            "n": f"{len(found)} trainings",
            "still improving": ", ".join(f"`{name}`" for name in still) or "neither",
        }
        yield Item(row, verdict)


def _both(found, field, form):
    """The means over trainings of the two sides; in how many it was reached, where not in all."""
    sides = []
    for side in (0, 1):
        values = np.array([getattr(race, field)[side] for race in found])
        there = values[~np.isnan(values)]
        if not len(there):
            sides.append("never")
        else:
            words = form.format(there.mean())
            sides.append(words if len(there) == len(values) else f"{words} (in {len(there)} of {len(values)})")
    return " and ".join(sides)


# ---- retraining by epoch -------------------------------------------------------------------------------------


def faster(study: Study) -> Iterator[Item]:
    """Other stages come to 99 % of the end of plain retraining in fewer epochs, for every scorer."""
    names = {entry["name"] for entry in study.scorers}
    if study.by_epoch.empty:
        return
    reached = epochs.until(study.by_epoch)
    for (criterion, _), part in reached.groupby(["criterion", "level"], sort=False):
        for stage in STAGES:
            if criterion in names and {stage.name, RETRAINED.name} <= {*part["kind"]}:
                yield _faster(study, str(criterion), part, stage.name)


def _faster(study, criterion, part, stage):
    """Plain retraining minus a stage, in epochs; a network that does not get there counts one epoch more than all."""
    draws = [{*part.loc[part["kind"] == kind, "draw"]} for kind in (RETRAINED.name, stage)]
    part = part[part["draw"].isin(draws[0] & draws[1])]
    if part.empty:
        row = {"study": study.label, "compared": f"{selection_judging.words(criterion, stage)}: no draw has both"}
        return Item(row, NOT_MEASURED)
    counts = part.assign(until=part["until"].fillna(part["epochs"] + 1))
    by_seed = counts.groupby(["kind", "seed"])["until"].mean()
    plainly, other = by_seed[RETRAINED.name], by_seed[stage]
    censored = bool(part["until"].isna().any())
    difference = _difference(study, plainly - other, censored)
    missed = int(part[part["kind"] == stage]["until"].isna().sum())
    row = {
        "study": study.label,
        "compared": f"{selection_judging.words(criterion, stage)} against {KINDS[RETRAINED.name].column}",
        "epochs": f"{other.mean():.2f} and {plainly.mean():.2f}",
        "fewer epochs": _epochs(difference),
        "n": f"{len(plainly)} trainings",
        "do not get there": str(missed),
    }
    return Item(row, paired.verdict(difference, 0.0) if len(plainly) > 1 else NOT_MEASURED)


def _difference(study, differences: pandas.Series, censored: bool = False) -> Difference:
    """The mean of differences of epochs; without an interval where some of them are only bounds, `censored`."""
    if len(differences) < 2 or censored:
        return Difference(float(differences.mean()), float("nan"), float("nan"))
    # Differences of epochs, unlike those of accuracies, may be larger than one.
    test = intervals.OverSeeds(differences, largest=float("inf"))
    return Difference(test.estimate, *test.interval(1 - study.settings["figures"]["confidence"]))


def _epochs(difference):
    if difference.low != difference.low:
        return f"{difference.estimate:+.2f} [no interval]"
    return f"{difference.estimate:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"
