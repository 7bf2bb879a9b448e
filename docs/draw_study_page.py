"""Draw docs/study-page.png: the page of a finished study from its title to the end of its answer.

python docs/draw_study_page.py results/figures/study.html docs/study-page.png

Needs the extra `test` and a Chromium (`tests/install_browser`). README.md shows the page of the default study.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

WIDTH, MARGIN = 1080, 16
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
COLOURS = 128  # Letters have edges in shades of grey; more would enlarge the file and show nothing.


def picture(page):
    """The PNG of the page's head and answer, without controls; page is a path."""
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": WIDTH, "height": 800}, device_scale_factor=1.5, offline=True, java_script_enabled=False
        )
        tab = context.new_page()
        tab.goto(Path(page).resolve().as_uri())
        end = tab.locator("#answer").bounding_box()
        height = end["y"] + end["height"] + MARGIN
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": height}
        drawn = tab.screenshot(full_page=True, clip=clip, style="nav { visibility: hidden; }")
        browser.close()
    return drawn


def main(page, path):
    """Write the picture of a page with few colours."""
    image = Image.open(io.BytesIO(picture(page))).convert("RGB")
    image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
