"""How far a long loop has come: a bar on a terminal, a line now and then in a log."""

import logging
import sys
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10


def over(total: int, unit: str, title: str, done: int = 0) -> tqdm:
    """A tqdm bar whose `update(n)` also writes a line into the log every ten seconds; `done` is of an earlier run."""
    return _Bar(total=total, unit=unit, desc=title, initial=done, disable=not sys.stderr.isatty(), leave=False)


class _Bar(tqdm):
    """A disabled tqdm counts nothing, so what the log says is counted here."""

    def __init__(self, *arguments, **options):
        self.started = self.spoken = time.monotonic()
        self.done = self.before = options.get("initial", 0)
        self.wanted = options.get("total")
        self.title, self.what = options.get("desc"), options.get("unit")
        super().__init__(*arguments, **options)

    def update(self, n=1):
        self.done += n
        now = time.monotonic()
        if now - self.spoken > SECONDS_BETWEEN_LINES:
            self.spoken = now
            rate = (self.done - self.before) / (now - self.started)
            left = f", {(self.wanted - self.done) / rate:.0f} s left" if self.wanted else ""
            logging.info(
                "%s: %d of %s %s, %.4g %s/s%s",
                self.title,
                self.done,
                self.wanted,
                self.what,
                rate,
                self.what,
                left,
            )
        return super().update(n)
