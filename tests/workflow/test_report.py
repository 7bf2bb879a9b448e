"""The report as a reader sees it: in a browser, with the network cut off."""

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.study]


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
    "0 The study": 1, "1 Study": 1, "2 Strategies": 4, "3 Statistics": 6, "4 Deltas": 4, "5 Controls": 6,
    "6 Floors": 4, "7 Layers": 4, "8 Stability": 2, "9 The thesis": 2,
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


# ---- the page of the study, alone ----------------------------------------------------------------------------


@pytest.fixture
def alone(tiny_study, watched):
    """The page in a browser without network; it fails the test for a request, or a word on the console."""
    return watched((tiny_study.folder / PAGE).as_uri(), 1280)


PAGE = "results/figures/study.html"
ROW = "#answer tr[data-c='weight.mean_abs']"


def test_one_criterion_lights_up_everywhere_by_mouse_and_by_keyboard(alone):
    alone.locator(ROW).click()
    lit = alone.locator(".lit")
    assert {element.get_attribute("data-c") for element in lit.all()} == {"weight.mean_abs"}
    # Two lines of the figure, and rows of tables.
    # In both panels of the accuracy, and in the price.
    assert alone.locator("g.line.lit").count() == 3 and lit.count() > 3
    assert "criterion=weight.mean_abs" in alone.url
    alone.locator(ROW).focus()
    alone.keyboard.press("Enter")
    assert lit.count() == 0 and "#" not in alone.url


def test_a_family_can_be_left_out_and_one_level_is_that_of_all_tables(alone):
    alone.get_by_label("weights", exact=True).uncheck()
    assert not alone.locator(ROW).is_visible()
    # With its lines go their bands, their names, and its marks in legends.
    hidden = alone.locator("svg [data-f=weights]")
    assert hidden.count() > 8 and not any(part.is_visible() for part in hidden.all())
    assert alone.locator("g.band[data-f=relevance]").first.is_visible()
    alone.get_by_label("removed:").select_option("0.75")
    shown = [part.get_attribute("data-level") for part in alone.locator(".at").all() if part.is_visible()]
    assert set(shown) == {"0.75"} and len(shown) > 1
    view = alone.url
    alone.goto("about:blank")
    alone.goto(view)
    assert not alone.locator(ROW).is_visible()
    assert alone.get_by_label("removed:").input_value() == "0.75"


def test_a_link_to_a_section_keeps_the_view(alone):
    alone.get_by_label("removed:").select_option("0.75")
    alone.locator(ROW).click()
    assert alone.locator(".followed").inner_text() == "followed: weight.mean_abs"
    alone.locator("nav a", has_text="Per class").click()
    view = alone.url
    for _ in range(2):
        assert alone.get_by_label("removed:").input_value() == "0.75"
        heading = alone.locator("#classes h2").bounding_box()
        bar = alone.locator(".controls").bounding_box()
        # Below the bar that stays at the top, in the window.
        assert bar["y"] + bar["height"] <= heading["y"] + 1 < 400
        alone.goto("about:blank")
        alone.goto(view)


def test_a_table_is_sorted_by_a_column_either_way(alone):
    alone.locator("#accuracy summary", has_text="Every criterion").click()
    table = alone.locator("#accuracy > details:not(.at) table.sort")
    head = table.locator("th button", has_text="75 %")
    for order in (True, False):
        head.focus()
        alone.keyboard.press("Enter")
        column = table.locator("tbody tr td:nth-child(4)").all_inner_texts()
        values = [float(text.split()[0]) for text in column]
        assert values == sorted(values, reverse=order) and len(values) > 10


def test_the_page_is_whole_without_scripts_on_a_phone_and_in_print(tiny_study, chromium):
    context = chromium.new_context(viewport={"width": 390, "height": 800}, java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((tiny_study.folder / PAGE).as_uri())
    text = page.inner_text("body")
    assert "that choose" in text and page.locator(ROW).is_visible() and page.locator("g.line").count() > 10
    assert page.locator(".controls, button").count() == 0
    # By the widest part, because without scripts the page cannot be asked.
    widest = max(box["x"] + box["width"] for box in map(_box, page.locator("body > *, section > *").all()) if box)
    assert widest <= 390
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden() and page.locator("#accuracy svg").is_visible()
    context.close()


def _box(element):
    return element.bounding_box()
