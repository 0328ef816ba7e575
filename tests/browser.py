"""The Chromium of the system, without a window, driven by Playwright: what a reader of an HTML report has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def executable() -> str:
    """Return where Chromium is; without one, skip the test, or fail it where CI is set and nothing may be missing."""
    found = os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = "there is no Chromium to open a report in: apt-get install chromium, or name one in $CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(QUIET))
        yield browser
        browser.close()


@dataclass
class Seen:
    """A page, and everything that it asked for or complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(self.page.evaluate("location.href"))

    def text(self, selector: str) -> str:
        return " ".join(self.page.locator(selector).first.inner_text().split())

    def texts(self, selector: str) -> list[str]:
        """The texts of all that match and can be seen."""
        script = "(all) => all.filter((one) => one.checkVisibility()).map((one) => one.innerText)"
        return [" ".join(text.split()) for text in self.page.locator(selector).evaluate_all(script)]


@contextmanager
def opened(browser: Browser, file: Path, fragment: str = "", **context: Any) -> Iterator[Seen]:
    """Open a file from disk; a page that runs scripts has read its verdicts when it is yielded."""
    own = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | context))
    page = own.new_page()
    page.set_default_timeout(20_000)
    seen = Seen(page)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.goto(file.as_uri() + fragment)
    if context.get("java_script_enabled", True):
        page.wait_for_selector("html[data-ready]", state="attached")
    try:
        yield seen
    finally:
        own.close()
