"""The report in a browser, as its readers have it: headless Chromium opens the file itself.

Skips where Debian's `chromium` is not installed; playwright brings no browser of its own here.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from _browser import NEEDS_CHROMIUM, chromium, quiet_page, until
from _report_page import made_page
from playwright.sync_api import Browser, Page

from tinyseg.report.html.page import to_html

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of two runs, as a file."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(to_html(made_page(2)))
    return path


@pytest.fixture
def page(browser: Browser, written: Path) -> Iterator[Page]:
    with quiet_page(browser, written.as_uri(), ("file:", "data:"), height=800) as opened:
        opened.wait_for_selector(".panes canvas[data-drawn]")
        yield opened


def zoom(page: Page) -> int:
    """The viewer's zoom in percent."""
    return int(page.inner_text("#zoom").removesuffix(" %"))


def shown(page: Page, kind: str) -> int:
    """How many outlines of a kind the viewer draws."""
    return page.locator(f".panes path.{kind}").count()


def test_every_filter_of_the_gallery_counts_right(page: Page) -> None:
    cards = page.locator(".card")
    assert cards.count() == 8
    assert page.inner_text("#gallery-count") == "8 of 8"
    page.select_option("#by-class", "person")
    assert cards.count() == 4
    page.select_option("#by-kind", "localisation")
    assert cards.count() == 2
    page.select_option("#by-kind", "")
    page.select_option("#by-class", "")
    page.select_option("#by-size", "very tiny")
    assert cards.count() == 0
    assert page.locator("#gallery-none").is_visible()
    page.select_option("#by-size", "tiny")
    assert cards.count() == 4
    page.select_option("#by-size", "")
    page.click("[data-side=false]")
    assert (
        sorted(page.locator(".card .tag").all_inner_texts())
        == ["background"] * 2 + ["localisation"] * 2
    )


def test_the_gallery_is_sorted(page: Page) -> None:
    page.click("[data-side=false]")
    page.select_option("#by-order", "score")
    scores = page.evaluate("[...document.querySelectorAll('.card')].map((c) => c.error.item.score)")
    assert scores == [0.55, 0.55, 0.45, 0.35]
    page.select_option("#by-order", "smallest")
    areas = page.evaluate("[...document.querySelectorAll('.card')].map((c) => c.error.item.area)")
    assert areas == sorted(areas)


def test_crops_are_drawn_with_label_and_prediction(page: Page) -> None:
    card = page.locator(".card").first
    card.scroll_into_view_if_needed()
    page.wait_for_selector(".card canvas[data-drawn]")
    assert card.locator("canvas").count() == 2
    assert card.locator("path.truth.error").count() == 1
    colours = page.evaluate(
        """() => {
          const { width, height } = document.querySelector(".card canvas");
          const pen = document.querySelector(".card canvas").getContext("2d");
          return new Set(pen.getImageData(0, 0, width, height).data).size;
        }"""
    )
    assert colours > 8


def test_zoom_by_buttons_keys_and_wheel(page: Page) -> None:
    fitted = zoom(page)
    page.click("#in")
    assert zoom(page) > fitted
    page.click("#four")
    assert zoom(page) == 400
    page.focus(".viewer")
    page.keyboard.press("1")
    assert zoom(page) == 100
    page.hover(".viewer .pane")
    page.mouse.wheel(0, -300)
    until(page, "parseInt(document.querySelector('#zoom').textContent) > 100")
    page.keyboard.press("0")
    assert zoom(page) == fitted


def test_native_zoom_shows_the_frames_pixels(page: Page) -> None:
    """A labelled car is drawn dark blue; at 100 % a pixel of the screen is one of the frame."""
    page.evaluate("viewer.choose(viewer.frame.truth[0])")
    page.evaluate("viewer.zoomTo(1)")
    until(page, "document.querySelector('.panes canvas').dataset.drawn.endsWith('1.000')")
    assert page.inner_text("#detail") == "native pixels"
    box = page.evaluate(
        """() => {
          const { x, y } = viewer.view;
          const pen = document.querySelector(".panes canvas").getContext("2d");
          const pixels = pen.getImageData(80 - x, 650 - y, 70, 1).data;
          const dark = pixels.filter((_, i) => i % 4 === 0).map((red) => red < 80);
          return [80 + dark.indexOf(1), 81 + dark.lastIndexOf(1)];
        }"""
    )
    assert abs(box[0] - 100) <= 1
    assert abs(box[1] - 124) <= 1


def test_the_slider_and_the_toggles(page: Page) -> None:
    assert (shown(page, "truth"), shown(page, "found")) == (6, 4)
    page.fill("#score", "0.6")
    assert shown(page, "found") == 2
    page.fill("#score", "0.05")
    page.click("[data-toggle=errors]")
    assert (shown(page, "truth"), shown(page, "found")) == (4, 2)
    page.click("[data-toggle=errors]")
    page.click("[data-toggle=truth]")
    assert (shown(page, "truth"), shown(page, "region")) == (0, 1)
    page.focus(".viewer")
    for key in ("i", "p"):
        page.keyboard.press(key)
    assert shown(page, "region") == shown(page, "found") == 0


def test_two_runs_beside_each_other(page: Page) -> None:
    page.click("[data-run='1']")
    assert page.locator(".card").count() == 4
    assert shown(page, "found") == 5
    page.click("#beside")
    assert page.locator(".panes .pane").count() == 2
    assert shown(page, "found") == 4 + 5
    page.keyboard.press("r")
    assert page.get_attribute("[data-run='0']", "aria-pressed") == "true"
    transforms = page.locator(".panes svg > g")
    page.focus(".viewer")
    page.keyboard.press("ArrowLeft")
    page.evaluate("new Promise(requestAnimationFrame)")  # drawn with the screen's next picture
    assert transforms.nth(0).get_attribute("transform") == transforms.nth(1).get_attribute(
        "transform"
    )


def test_the_keyboard_goes_from_a_card_to_its_place_and_back(page: Page) -> None:
    page.locator(".card").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.className") == "viewer"
    assert zoom(page) > 100
    first = page.inner_text("#told")
    assert "label" in first
    page.keyboard.press(".")
    assert page.inner_text("#told") != first
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement === document.querySelectorAll('.card')[1]")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()


def test_light_and_dark(page: Page) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.keyboard.press("t")
    assert page.evaluate(paper) != light
    assert page.inner_text("#theme") == "Light"


def test_nothing_is_wider_than_a_narrow_window(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_printing_shows_figures_and_gallery(page: Page) -> None:
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert not page.locator("#frames").is_visible()
    assert page.locator(".card").first.is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_a_report_of_one_run_has_no_switch(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "one.html"
    path.write_bytes(to_html(made_page(1)))
    opened = browser.new_page()
    opened.goto(path.as_uri())
    opened.wait_for_selector(".panes canvas[data-drawn]")
    assert opened.locator("[data-run]").count() == 0
    opened.close()
