"""Pages in headless Chromium: Debian's, since playwright brings no browser of its own here."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

CHROMIUM = shutil.which("chromium")

NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="needs the package `chromium`")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, closed at the end."""
    with sync_playwright() as play:
        # Where tests run as root, in a container, Chromium's own sandbox does not start.
        opened = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


@contextmanager
def quiet_page(
    browser: Browser, address: str, own: Sequence[str], *, height: int = 900
) -> Iterator[Page]:
    """The page at an address; what the browser complains of, or asks for beside its `own`, which
    addresses begin with, fails the test."""
    opened = browser.new_page(viewport={"width": 1280, "height": height}, color_scheme="light")
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def check(url: str) -> None:
        if not url.startswith(tuple(own)):
            complaints.append(f"asked for {url}")

    opened.on("console", listen)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: check(request.url))
    opened.goto(address)
    yield opened
    opened.close()
    assert complaints == []


def until(page: Page, condition: str) -> None:
    """Wait for a condition; asked from outside, since the page's own policy forbids to evaluate."""
    for _ in range(500):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"not within 10 s: {condition}")
