"""How much longer the page of a study takes to open than an empty one, in a headless Chromium on one core.

python benchmarks/page.py [results/figures/study.html]
"""

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright import sync_api

REPEATS = 15
EMPTY = '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>empty</title></head><body></body></html>\n'
# Milliseconds from the start of the navigation to the second frame after everything was loaded, scripts included.
PAINTED = """() => new Promise((done) => {
  const after = () => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
  document.readyState === "complete" ? after() : addEventListener("load", after);
})"""


def opened(browser, path):
    """Milliseconds until a page is painted, in a context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.goto(path.as_uri(), wait_until="commit")
    taken = page.evaluate(PAINTED)
    context.close()
    return taken


def main(path):
    """Print the medians and the least of both, in turns, so that both meet the same load."""
    # What is started from here inherits the one core.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with tempfile.TemporaryDirectory() as folder, sync_api.sync_playwright() as playwright:
        empty = Path(folder, "empty.html")
        empty.write_text(EMPTY, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        times = {empty: [], path: []}
        for _ in range(REPEATS):
            for each, taken in times.items():
                taken.append(opened(browser, each))
        print(f"Chromium {browser.version}, one core, {REPEATS} times each, {path.stat().st_size:,} bytes")
        browser.close()
    medians = []
    for each, taken in times.items():
        medians.append(statistics.median(taken))
        print(f"{each.name}: median {medians[-1]:.0f} ms, least {min(taken):.0f} ms")
    print(f"more than an empty page: {medians[1] - medians[0]:.0f} ms")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/figures/study.html").resolve())
