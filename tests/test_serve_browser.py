"""The server's page in headless Chromium, with a model that knows what stands on its photo.

Skips where Debian's `chromium` is not installed. TINYSEG_SHOTS names a folder for screenshots.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest
from _browser import NEEDS_CHROMIUM, chromium, quiet_page, until
from _scene_pool import Photo, ScenePool, photo, serving
from playwright.sync_api import Browser, Page

from tinyseg.image import image_from_bytes

pytestmark = NEEDS_CHROMIUM

COUNT = 60
TINY = COUNT // 3
SURE = 44  # of the scores .99 ... .06 that are .3 or more


@pytest.fixture(scope="module")
def street() -> Photo:
    return photo((600, 800), COUNT)


@pytest.fixture(scope="module")
def pool(street: Photo) -> ScenePool:
    return ScenePool(street)


@pytest.fixture(scope="module")
def address(pool: ScenePool) -> Iterator[str]:
    with serving(pool) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with quiet_page(browser, address, (address, f"blob:{address}", "data:")) as opened:
        until(opened, "document.querySelector('#model').textContent.includes('car')")
        yield opened


def drop(page: Page, street: Photo, name: str = "street.jpg") -> None:
    """A file let go over the page, as a hand does it."""
    page.evaluate(
        """([bytes, name]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
          document.querySelector("#drop").dispatchEvent(
            new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        [list(street.file), name],
    )


def looked_at(page: Page, count: int = SURE) -> None:
    """Wait until so many are shown."""
    until(page, f"document.querySelectorAll('.pane path.found').length === {count}")


def shoot(page: Page, name: str) -> None:
    """A picture for people, where one is wanted."""
    folder = os.environ.get("TINYSEG_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_dropped_picture_is_looked_at_stage_by_stage(page: Page, street: Photo) -> None:
    shoot(page, "empty")
    page.evaluate(
        """() => {
          window.told = [];
          new MutationObserver(() => told.push(document.querySelector("#news").textContent))
            .observe(document.querySelector("#news"), { childList: true });
        }"""
    )
    drop(page, street)
    looked_at(page)
    told = " ".join(page.evaluate("told"))
    for stage in ("waiting", "first look", "closer looks 1 of 3", "merging"):
        assert f"street.jpg: {stage}" in told
    assert page.inner_text("#shown-count").startswith(f"{SURE} instances")
    assert page.inner_text("#news") == ""
    assert page.locator("#list li").count() == SURE
    page.focus(".viewer")
    shoot(page, "light")


def test_an_outline_lies_where_its_mask_does(page: Page, street: Photo) -> None:
    """The smallest instance, looked at closely: its outline is on the screen where its box is."""
    drop(page, street)
    looked_at(page)
    page.locator("#list button").first.click()
    zoom, x, y = page.evaluate("[stage.view.zoom, stage.view.x, stage.view.y]")
    box = page.evaluate("stage.chosen.box")
    areas = (street.found.masks.boxes[:SURE, 2:] - street.found.masks.boxes[:SURE, :2]).prod(axis=1)
    assert (box[2] - box[0]) * (box[3] - box[1]) <= np.sort(areas)[2]
    drawn = page.locator(".pane path.chosen").bounding_box()
    pane = page.locator(".pane").bounding_box()
    assert drawn is not None
    assert pane is not None
    assert abs(drawn["x"] - pane["x"] - (box[0] - x) * zoom) < 4
    assert abs(drawn["y"] - pane["y"] - (box[1] - y) * zoom) < 4
    assert zoom > 2
    shoot(page, "close")


def test_classes_scores_and_the_tiny_ones(page: Page, street: Photo) -> None:
    drop(page, street)
    looked_at(page)
    labels, scores = street.found.labels, street.found.scores
    cars = int(((labels == 0) & (scores >= 0.3)).sum())
    first = page.locator("#classes button").first
    assert first.inner_text() == f"car {cars}"
    first.click()
    looked_at(page, SURE - cars)
    page.locator("#classes button").first.click()
    page.fill("#score", "0.6")
    looked_at(page, int((scores >= 0.6).sum()))
    page.fill("#score", "0.3")
    page.click("#tiny")
    sizes = page.evaluate("stage.visible(stage.found[0]).map((one) => one.area)")
    assert 5 < len(sizes) < SURE
    assert sizes == sorted(sizes)
    assert max(sizes) < 256
    assert page.evaluate("stage.chosen === stage.visible(stage.found[0])[0]")
    page.click("#next")
    assert page.evaluate("stage.chosen === stage.visible(stage.found[0])[1]")
    page.click("#previous")
    page.click("#previous")
    assert page.evaluate("stage.chosen === stage.visible(stage.found[0]).at(-1)")


def test_where_it_looked_and_two_plans_side_by_side(page: Page, street: Photo) -> None:
    drop(page, street)
    looked_at(page)
    page.click("#views")
    assert page.locator(".pane path.view").count() == 4
    assert page.locator(".pane path.view.second").count() == 3
    page.locator(".pane path.view.second + .hit").first.dispatch_event("mouseover")
    until(page, "document.querySelector('#told').textContent.includes('zoom 1.50, 0.1 MP')")
    page.select_option("#beside", "whole")
    until(page, "document.querySelectorAll('.pane')[1]?.querySelectorAll('path.found').length > 5")
    captions = page.evaluate(
        "[...document.querySelectorAll('.pane')].map((p) => p.dataset.caption)"
    )
    assert "in 4 views" in captions[0]
    assert captions[1].startswith("whole: ")
    assert "in 1 views" in captions[1]
    page.focus(".viewer")
    page.keyboard.press("2")
    moves = page.locator(".panes svg > g")
    until(page, "document.querySelector('#zoom').textContent === '400 %'")
    page.wait_for_timeout(100)
    assert moves.nth(0).get_attribute("transform") == moves.nth(1).get_attribute("transform")
    page.keyboard.press("0")
    shoot(page, "beside")


def test_downloads_are_what_is_shown(page: Page, street: Photo, tmp_path: Path) -> None:
    drop(page, street)
    looked_at(page)
    files = {}
    for button in page.locator("[data-form]").all():
        with page.expect_download() as waiting:
            button.click()
        name = waiting.value.suggested_filename
        waiting.value.save_as(tmp_path / name)
        files[name] = (tmp_path / name).read_bytes()
    assert list(files) == ["street.json", "street_masks.png", "street_overlay.jpg"]
    assert len(orjson.loads(files["street.json"])["annotations"]) == SURE
    label = cv2.imdecode(np.frombuffer(files["street_masks.png"], np.uint8), cv2.IMREAD_UNCHANGED)
    assert label is not None
    assert label.shape == (600, 800)
    assert label.dtype == np.uint16
    assert image_from_bytes(files["street_overlay.jpg"]).shape[1] >= 800


def test_the_keyboard_alone(page: Page, street: Photo) -> None:
    drop(page, street)
    looked_at(page)
    page.focus(".viewer")
    page.keyboard.press(".")
    first = page.inner_text("#told")
    page.keyboard.press(".")
    assert page.inner_text("#told") != first
    page.keyboard.press(",")
    assert page.inner_text("#told") == first
    page.keyboard.press("w")
    assert page.locator(".pane path.view").count() == 4
    before = page.locator(".pane path.found").count()
    page.keyboard.press("]")
    assert page.locator(".pane path.found").count() < before
    page.keyboard.press("t")
    assert page.inner_text("#theme") == "Light"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    shoot(page, "dark")


def test_several_pictures_make_a_strip(page: Page, street: Photo) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        drop(page, street, name)
    until(page, "document.querySelectorAll('.strip button').length === 3")
    until(page, "[...document.querySelectorAll('.strip progress')].every((bar) => bar.hidden)")
    page.click(".strip button >> nth=1")
    looked_at(page)
    assert page.get_attribute(".strip button >> nth=1", "aria-pressed") == "true"
    page.focus(".viewer")
    page.keyboard.press("n")
    assert page.get_attribute(".strip button >> nth=2", "aria-pressed") == "true"


def test_a_scene_of_the_server(page: Page) -> None:
    page.click("#scenes button >> nth=0")
    looked_at(page)
    assert page.locator(".strip button").count() == 1


def test_a_file_that_is_no_picture_is_told(page: Page) -> None:
    page.set_input_files(
        "#files", {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"}
    )
    until(page, "document.querySelector('#news').textContent.includes('cannot show it')")
    assert not page.locator("#look").is_visible()


def test_the_wheel_zooms_where_it_is(page: Page, street: Photo) -> None:
    drop(page, street)
    looked_at(page)
    page.focus(".viewer")
    before = page.evaluate("stage.view.zoom")
    page.hover(".pane")
    page.mouse.wheel(0, -400)
    until(page, f"stage.view.zoom > {before * 1.5}")
    x = page.evaluate("stage.view.x")
    page.mouse.down()
    page.mouse.move(500, 500, steps=4)
    page.mouse.up()
    assert page.evaluate("stage.view.x") != x


def test_two_fingers_zoom_where_they_are(page: Page, street: Photo) -> None:
    """The frame's point between them stays between them, and moves as they move."""
    drop(page, street)
    looked_at(page)
    place = page.locator(".pane").bounding_box()
    assert place is not None
    x, y = place["x"] + 300, place["y"] + 200
    before = page.evaluate("({ ...stage.view })")
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": px, "y": py, "id": n} for n, (px, py) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (x - 40, y))
    fingers("touchStart", (x - 40, y), (x + 40, y))
    for step in range(1, 9):
        apart = 40 + 10 * step
        fingers("touchMove", (x - apart + 2 * step, y), (x + apart + 2 * step, y))
    fingers("touchEnd")
    until(page, f"stage.view.zoom > {before['zoom'] * 2}")
    after = page.evaluate("({ ...stage.view })")
    assert after["zoom"] / before["zoom"] == pytest.approx(3, rel=0.02)
    assert after["x"] + 316 / after["zoom"] == pytest.approx(
        before["x"] + 300 / before["zoom"], abs=2
    )
    assert after["y"] + 200 / after["zoom"] == pytest.approx(
        before["y"] + 200 / before["zoom"], abs=2
    )


def test_a_phone(page: Page, street: Photo) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    drop(page, street)
    looked_at(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#list button").first.click()
    shoot(page, "phone")


def test_the_page_is_small(browser: Browser, address: str) -> None:
    sizes: list[int] = []
    opened = browser.new_page()
    opened.on("response", lambda answer: sizes.append(len(answer.body())))
    opened.goto(address, wait_until="networkidle")
    opened.close()
    assert len(sizes) >= 3
    assert sum(sizes) < 300_000
