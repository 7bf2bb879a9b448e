"""The report as a reader sees it: in a browser, with the network cut off."""

import re
import shutil

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.study]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium: the system's, or the one that Playwright has downloaded."""
    from playwright import sync_api

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        except sync_api.Error as error:
            pytest.skip(f"no Chromium here: {error}")
        yield browser
        browser.close()


@pytest.fixture
def report(tiny_study, chromium):
    """The report of the small study, opened offline; it fails the test if the page wanted the network."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, offline=True)
    page, wanted = context.new_page(), []
    page.on("request", lambda request: wanted.append(request.url))
    page.goto((tiny_study.folder / "results/report.html").as_uri())
    page.wait_for_selector("text=1 Study")
    yield page
    assert [url[:80] for url in wanted if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()


def shown(page, category):
    """What the frame shows for every item of a category: (label, words of a page or width of a picture)."""
    page.get_by_text(category, exact=True).first.click()
    found = []
    kinds = page.get_by_text(re.compile("^(figure|the numbers)$"))
    for kind in range(max(1, kinds.count())):
        if kinds.count():
            kinds.nth(kind).click()
        for row in page.locator("tr:has(a[iconname=eye])").all():
            row.locator("a[iconname=eye]").click()
            page.wait_for_timeout(500)
            found.append((row.inner_text().strip(), _content(page)))
    page.get_by_text("Results", exact=True).first.click()
    return found


def _content(page):
    if page.locator("iframe").count():
        return len(page.frames[-1].inner_text("body").split())
    return page.locator("img[src*='filename=']").last.evaluate("image => image.naturalWidth")


CATEGORIES = {
    "1 Study": 2, "2 Strategies": 4, "3 Statistics": 6, "4 Deltas": 4, "5 Controls": 6, "6 Floors": 4, "7 Layers": 4,
    "8 Stability": 2, "9 The thesis": 2,
}  # fmt: skip


def test_every_item_shows_something(report):
    items = {category: shown(report, category) for category in CATEGORIES}
    assert {category: len(found) for category, found in items.items()} == CATEGORIES
    assert [(category, item) for category, found in items.items() for item in found if item[1] < 50] == []


def test_the_front_page_states_the_question_without_a_fault_of_markup(report):
    text = report.inner_text("body")
    assert "Does every rule run?" in text
    assert "System Message" not in text


def test_every_caption_is_free_of_faults_of_markup(tiny_study):
    text = (tiny_study.folder / "results/report.html").read_text()
    assert "System Message" not in text
    assert "the same test images that are reported here" in text
    assert "ranked on all images of the split" in text


def test_no_item_is_too_large_for_a_browser(tiny_study):
    for path in [*tiny_study.folder.glob("results/figures/*"), *tiny_study.folder.glob("results/**/*.html")]:
        assert path.name == "report.html" or path.stat().st_size < 1_200_000, path
