"""A real Chromium without a window, and what tests ask of the page in it.

`BAGGAGE_CHROMIUM` and `BAGGAGE_CHROMEDRIVER` name the binaries; else they are looked for in PATH.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from selenium.common.exceptions import SessionNotCreatedException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from metaapps.tracing.span import Span
from metaapps.tracing.view import page

_PATIENCE: Final = 300.0
# The picture is drawn in the frame after what caused it.
_DRAWN: Final = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"


class Browser:
    """One tab, which shows one page at a time."""

    def __init__(self, driver: Chrome, directory: Path) -> None:
        self.driver: Final = driver
        self._path: Final = directory / "page.html"

    def show(
        self, spans: Iterable[Span], *, width: int = 1400, height: int = 900, dark: bool = False
    ) -> None:
        """Write the page of these spans, and load it from its file."""
        self._path.write_text(page(spans, title="Traces"), encoding="utf-8")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.forget()
        self.driver.get(self._path.as_uri())
        self.drawn()

    def drawn(self) -> None:
        """Wait until everything is drawn that was asked for before."""
        self.driver.execute_async_script(_DRAWN)

    def run(self, script: str, *arguments: object) -> Any:
        """Return what a function's body returns that runs in the page."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        (found,) = self.all(selector)
        return found

    def rows(self) -> list[WebElement]:
        """Return the rows that aren't hidden."""
        return self.all(".row:not([hidden])")

    def names(self) -> list[str]:
        """Return the services and names of the rows that aren't hidden."""
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        service, name = (f".row:not([hidden]) .name > {part}" for part in ("b", ".operation"))
        return list(
            map(" ".join, zip(self.run(script, service), self.run(script, name), strict=True))
        )

    def click(self, selector: str) -> None:
        self.one(selector).click()
        self.drawn()

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        for key in keys:
            ActionChains(self.driver).send_keys(getattr(Keys, key, key)).perform()
        self.drawn()

    def until(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        WebDriverWait(self.driver, _PATIENCE).until(lambda _: self.run(f"return {condition}"))

    def complaints(self) -> list[str]:
        """Return what was said on the console since the page was loaded."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the page was loaded, its own excepted."""
        asked = []
        for entry in self._log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.append(message["params"]["request"]["url"])
        return [url for url in asked if url != self._path.as_uri()]

    def forget(self) -> None:
        for log in ("browser", "performance"):
            self._log(log)

    def _log(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.driver.get_log(name)  # type: ignore[no-untyped-call]
        return found


@contextmanager
def browsing(directory: Path) -> Generator[Browser, None, None]:
    """Start Chromium, or skip; end it afterwards."""
    chromium = _binary("BAGGAGE_CHROMIUM", "chromium", "chromium-browser", "google-chrome")
    driver = _binary("BAGGAGE_CHROMEDRIVER", "chromedriver")
    chrome = _started(chromium, driver)
    try:
        yield Browser(chrome, directory)
    finally:
        chrome.quit()


def _started(chromium: str, driver: str) -> Chrome:
    """Start Chromium, which has no sandbox for root, nor where users have no namespaces."""
    if os.geteuid() != 0:
        with suppress(SessionNotCreatedException):
            return Chrome(options=_options(chromium), service=Service(driver))
    return Chrome(options=_options(chromium, "--no-sandbox"), service=Service(driver))


def _options(chromium: str, *arguments: str) -> ChromeOptions:
    options = ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--hide-scrollbars", *arguments):
        options.add_argument(argument)
    return options


def _binary(variable: str, *names: str) -> str:
    found = os.environ.get(variable) or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no {names[0]} here: install it, or name it by {variable}")
    return found
