"""Progress of a long loop: a bar on a terminal, and a line every few seconds in a log."""

import logging
import sys
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10


def over(total: int, unit: str, title: str, done: int = 0) -> tqdm:
    """A tqdm bar whose `update(n)` also logs a line every ten seconds; `done` is the progress of an interrupted run."""
    return _Bar(total=total, unit=unit, desc=title, initial=done, disable=not sys.stderr.isatty(), leave=False)


class _Bar(tqdm):
    """A bar with its own count, because a disabled tqdm has none."""

    def __init__(self, *arguments, **options):
        self.started = self.logged = time.monotonic()
        self.done = self.before = options.get("initial", 0)
        self.planned = options.get("total")
        self.title, self.measured_in = options.get("desc"), options.get("unit")
        super().__init__(*arguments, **options)

    def update(self, n=1):
        self.done += n
        now = time.monotonic()
        if now - self.logged > SECONDS_BETWEEN_LINES:
            self.logged = now
            self._log(rate=(self.done - self.before) / (now - self.started))
        return super().update(n)

    def _log(self, rate):
        unit, left = self.measured_in, ""
        if self.planned:
            left = f", {(self.planned - self.done) / rate:.0f} s left"
        logging.info("%s: %d of %s %s, %.4g %s/s%s", self.title, self.done, self.planned, unit, rate, unit, left)
