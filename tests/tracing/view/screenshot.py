"""Make the picture of the page that the documentation shows.

`python -m tests.tracing.view.screenshot` writes docs/images/tracing-view.png.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from tests.tracing.view import samples
from tests.tracing.view.browser import browsing

PICTURE: Final = Path(__file__).parents[3] / "docs" / "images" / "tracing-view.png"
_FIFTH: Final = 9


def main() -> None:
    """Show a read of four replicas with the request chosen that followed three answers."""
    with tempfile.TemporaryDirectory() as directory, browsing(Path(directory)) as browser:
        browser.show(samples.quorum(), width=1240, height=620)
        # Without a mouse, which would rest on a row.
        browser.run(f"document.querySelectorAll('.row')[{_FIFTH}].click()")
        browser.run("document.activeElement.blur()")
        browser.drawn()
        PICTURE.parent.mkdir(exist_ok=True)
        browser.driver.save_screenshot(str(PICTURE))


if __name__ == "__main__":
    main()
