"""The page of a study can be read by everybody: contrast, lines without colours, words for figures, phones, paper."""

import itertools
import re

import pytest

from secateur.figures import study_curves, study_page
from secateur.figures.families import LOOKS
from support.page_inputs import page_inputs, settings
from support.studies import ROOT

# What text of this size needs against its background (WCAG 2.2, 1.4.3, level AA).
CONTRAST = 4.5
# Sheets in CSS pixels without their margins: A4 and Letter.
SHEETS = {"A4": (210 - 24) / 25.4 * 96, "Letter": (215.9 - 24) / 25.4 * 96}


@pytest.fixture(scope="module")
def page():
    """A page with many families, a name of sixty letters, and a warning above its answer."""
    criteria = {
        "random": 2,
        "mixing": {"deltas": ["0.5"]},
        "scores": ["l1", "taylor"],
        "rescored": [{"criterion": "l1"}],
    }
    study = page_inputs(
        settings(training={"seeds": [0, 1]}, criteria=criteria),
        classes=["x" * 60, *"123456789"],
        layers=["y" * 60, "b"],
    )
    return study_page.written(study)


def luminance(colour):
    """The relative luminance of an sRGB colour of three parts from 0 to 255."""
    parts = []
    for part in colour:
        share = part / 255
        parts.append(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(first, second):
    """The ratio of contrast of two colours, from 1 to 21."""
    low, high = sorted(map(luminance, (first, second)))
    return (high + 0.05) / (low + 0.05)


def parsed(colour):
    """The parts of #rgb or #rrggbb."""
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    return [int(digits[place : place + 2], 16) for place in (0, 2, 4)]


def test_contrast_is_that_of_the_standard():
    assert contrast(parsed("#000"), parsed("#fff")) == pytest.approx(21)
    assert contrast(parsed("#767676"), parsed("#fff")) == pytest.approx(4.54, abs=0.005)


def test_every_colour_of_text_can_be_read_on_every_background():
    style = (ROOT / "report/study.css").read_text()
    # No text stands on the bars of channels left.
    rules = [rule for rule in re.findall(r"([^{}]+)\{([^{}]*)\}", style) if not rule[0].strip().startswith(".bar")]
    texts, backgrounds = set(), set()
    for _, body in rules:
        texts.update(re.findall(r"(?<![-\w])color: (#\w+)", body))
        backgrounds.update(re.findall(r"(?<![-\w])background: (#\w+)", body))
    assert len(texts) > 3 and len(backgrounds) > 3
    pairs = itertools.product(texts, backgrounds)
    assert [pair for pair in pairs if contrast(*map(parsed, pair)) < CONTRAST] == []


def test_words_in_figures_are_dark(page):
    words = re.findall(r'<text [^>]*style="([^"]*)"', page)
    colours = {(re.search(r"fill: (#\w+)", style) or ["", "#000"])[1] for style in words}
    assert len(words) > 20 and [colour for colour in colours if contrast(parsed(colour), [255] * 3) < CONTRAST] == []


def lightness(colour):
    """CIE L*, from 0 to 100: all that achromatopsia leaves of a colour."""
    share = luminance(parsed(colour))
    return 116 * share ** (1 / 3) - 16 if share > 0.008856 else 903.3 * share


def test_any_two_lines_can_be_told_apart_without_colours():
    """By their dashes, or by markers and lightness both; thin lines without markers are the controls', which are not
    drawn beside each other."""
    for (first, one), (second, other) in itertools.combinations(LOOKS.items(), 2):
        grey = abs(lightness(one.colour) - lightness(other.colour))
        assert one.dash != other.dash or (one.marker != other.marker and grey > 8), (first, second)
        assert one.marker != other.marker or {first, second} == {"random", "controls"}
    # Yellow of this palette is too light on white.
    assert "#f0e442" not in {look.colour for look in LOOKS.values()}
    assert len({look.colour for look in LOOKS.values()}) == len(LOOKS)


def test_each_line_in_full_has_its_name_at_its_end(page):
    full = set()
    for name, style in re.findall(r'<g class="line" data-c="([^"]*)"[^>]*>\n<path[^>]*style="([^"]*)"', page):
        if "stroke-opacity" not in style:
            full.add(name)
    names = re.findall(r'<g class="name" data-c="([^"]*)" data-f="\w+">\n(?:<!--.*?-->\n)?<text[^>]*>([^<]*)', page)
    assert 4 <= len(full) <= 6 and {criterion for criterion, _ in names} == full
    assert all(name == criterion or name.endswith("…") for criterion, name in names)


def test_names_keep_their_distance_and_their_order():
    for heights in ([0.1] * 6, [1.0, 0.99, 0.98, 0.5], [0.9, 0.02, 0.01, 0.0], [0.5]):
        places = study_curves.spread(heights, 0.05)
        gaps = [above - below for above, below in itertools.pairwise(places)]
        assert all(gap >= 0.05 - 1e-9 for gap in gaps)
        assert max(places) <= 1 and min(places) >= min(heights) - 1e-9
    assert study_curves.spread([0.9, 0.5, 0.2], 0.05) == [0.9, 0.5, 0.2]


def test_each_figure_has_a_title_a_description_with_numbers_and_a_table(page):
    figures = re.findall(r"<figure id=\"([^\"]*)\">(.*?)</figure>(.*?)</section>", page, flags=re.S)
    assert figures
    for name, figure, rest in figures:
        title, description = re.match(
            rf'<svg [^>]*aria-labelledby="{name}-title" aria-describedby="{name}-desc"[^>]*>'
            rf'<title id="{name}-title">([^<]+)</title><desc id="{name}-desc">([^<]+)</desc>',
            figure,
        ).groups()
        assert len(title) > 10 and len(re.findall(r"\d+\.\d %", description)) > 2
        assert "<table" in rest and f'download="{name}.csv"' in rest


# ---- in a browser ----------------------------------------------------------------------------------------------


@pytest.fixture
def opened(page, chromium, tmp_path):
    """The page in a browser of a given width, every fold open."""
    path = tmp_path / "study.html"
    path.write_text(page)
    context = chromium.new_context(offline=True)

    def of_width(width):
        shown = context.new_page()
        shown.set_viewport_size({"width": int(width), "height": 800})
        shown.goto(path.as_uri())
        shown.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        return shown

    yield of_width
    context.close()


WIDTH = "document.documentElement.scrollWidth"
# [[colour of a text, the background behind it]] of all texts, colours as rgb(...).
COLOURS = """() => {
  const found = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style, svg")) continue;
    if (!element.checkVisibility()) continue;
    let behind = element;
    const filled = (part) => getComputedStyle(part).backgroundColor;
    while (filled(behind) === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
    found.add(JSON.stringify([getComputedStyle(element).color, filled(behind)]));
  }
  return [...found].map(JSON.parse);
}"""


@pytest.mark.browser
def test_a_phone_shows_it_without_sideways_scrolling(opened):
    assert opened(390).evaluate(WIDTH) == 390


@pytest.mark.browser
def test_every_text_that_is_shown_can_be_read(opened):
    shown = opened(1280)
    shown.locator("#accuracy tr[data-c]").first.click()
    pairs = shown.evaluate(COLOURS)
    # Texts on white, on the head of a table, in a warning, in the row that is followed.
    assert len({behind for _, behind in pairs}) >= 4
    ratios = {}
    for pair in pairs:
        text, behind = ([int(part) for part in re.findall(r"\d+", colour)[:3]] for colour in pair)
        ratios[tuple(pair)] = contrast(text, behind)
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < CONTRAST} == {}


@pytest.mark.browser
@pytest.mark.parametrize("sheet", SHEETS)
def test_a_sheet_has_names_and_no_controls_and_breaks_no_figure(opened, sheet):
    """Nothing is wider than the sheet: Chromium would print all of it smaller."""
    shown = opened(SHEETS[sheet])
    shown.emulate_media(media="print")
    assert shown.evaluate(WIDTH) <= SHEETS[sheet]
    assert not any(part.is_visible() for part in shown.locator(".controls, nav, button.save, [download]").all())
    figure = shown.locator("figure").first
    assert figure.evaluate("(part) => getComputedStyle(part).breakInside") == "avoid"
    # It fits on one sheet, whichever way that lies.
    assert figure.bounding_box()["height"] < 600 and shown.locator("g.name text").count() >= 4
    shown.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = false; })")
    assert shown.get_by_role("columnheader", name="75 %").first.is_visible()
    assert len(re.findall(rb"/Type /Page\b", shown.pdf(format=sheet))) > 1
