"""Make the pictures of the showcase that the documentation shows, of what it really comes to.

`python -m tests.outside.pictures` writes docs/images/showcase-….png.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console

from examples.showcase.demo import SPANS, TRACE
from examples.showcase.shell import Shell
from metaapps.filibuster.cli.picture import picture, verdict_of
from metaapps.filibuster.store import FILE, Store
from metaapps.tracing.export.file import read
from tests.outside import pages
from tests.shared_server import joined
from tests.tracing.view.browser import Browser, browsing
from tests.tracing.zipkin_server import SERVER, Zipkin

IMAGES: Final = pages.ROOT / "docs" / "images"
_WIDE: Final = 10_000
_BUG: Final = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #fff; color: #24292f; width: max-content }}
section {{ padding: 16px 22px 18px }}
pre {{ font: 15px/1.5 "DejaVu Sans Mono", monospace; margin: 0 }}
h1 {{ font: 600 17px/1.4 "DejaVu Sans", sans-serif; margin: 0 0 10px }}
b {{ color: #b42318 }}
p {{ font: 15px/1.5 "DejaVu Sans", sans-serif; margin: 12px 0 0 }}
</style><section><h1>{title}</h1><pre>{tree}</pre><p><b>{failure}</b></p></section>"""
# For the picture to be narrow: no addresses, time limits, and modules of exceptions.
_SHORTER: Final = {
    r"http://127\.0\.0\.1:\d+|, timeout=\d+|aiohttp\.client_exceptions\.| message 1": "",
    r"full method=.*?, request=&quot;b(&#x27;.*?&#x27;)&quot;": r"\1",
}


def main() -> None:
    """Take the pictures of a showcase that ran, in the directory that is given, or of a new one."""
    found = sys.argv[1:] or [_ran()]
    shell = Shell(Path(found[0]), {})
    with tempfile.TemporaryDirectory() as directory, browsing(Path(directory)) as browser:
        browser.show(read(shell.directory / TRACE), width=1240, height=862)
        browser.run("document.activeElement.blur()")
        browser.drawn()
        browser.driver.save_screenshot(str(IMAGES / "showcase-trace.png"))
        _picture(browser, _bug(shell), IMAGES / "showcase-bug.png")
        with joined(SERVER, Path(directory)) as url:
            _zipkin(browser, Zipkin(url), shell)


def _zipkin(browser: Browser, zipkin: Zipkin, shell: Shell) -> None:
    """Take a picture of a real Zipkin's own page of the trace."""
    spans = (shell.directory / TRACE).read_bytes()
    assert zipkin.post(spans).status == 202
    trace_id = json.loads(spans)[0]["traceId"]
    zipkin.trace(trace_id, spans=SPANS)
    metrics = {"width": 1280, "height": 720, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.driver.get(f"{zipkin.url}/zipkin/traces/{trace_id}")
    browser.until("document.body.innerText.includes('Total Spans')")
    browser.until("document.querySelectorAll('svg').length > 3")
    browser.drawn()
    browser.driver.save_screenshot(str(IMAGES / "showcase-zipkin.png"))


def _ran() -> str:
    command = [sys.executable, "-m", "examples.showcase.demo"]
    ran = subprocess.run(command, cwd=pages.ROOT, check=True, stdout=subprocess.PIPE, text=True)
    (found,) = re.findall(r"Pages to look at: (.*)/trace.html", ran.stdout)
    return str(found)


def _bug(shell: Shell) -> str:
    """Return a page of the first execution that failed in the showcase's first run."""
    with Store.open(shell.directory / ".filibuster" / FILE) as store:
        committed = list(store.committed(1))
    number, execution = next(
        (content["number"], each)
        for content, each in committed
        if each is not None and not each.passed
    )
    console = Console(record=True, file=StringIO(), width=_WIDE, soft_wrap=True, highlight=False)
    console.print(picture(execution, f"[bold]Execution {number}[/]  {verdict_of(execution)}"))
    drawn = console.export_html(inline_styles=True, code_format="{code}")
    tree = "\n".join(line for line in drawn.splitlines() if "vclock" not in line)
    for longer, shorter in _SHORTER.items():
        tree = re.sub(longer, shorter, tree)
    events = Counter(content["event"] for content, _ in committed)
    ran, pruned = events["ran"], events["pruned"]
    title = f"Found in {ran} executions; {pruned} more need not run, since these predict them"
    assert execution.failure is not None
    return _BUG.format(title=title, tree=tree, failure=execution.failure.summary)


def _picture(browser: Browser, content: str, path: Path) -> None:
    """Take a picture of a page as large as it is."""
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8") as page:
        page.write(content)
        page.flush()
        browser.driver.get(Path(page.name).as_uri())
        browser.drawn()
        size = browser.run("return document.querySelector('section').getBoundingClientRect()")
        wide, high = (int(size[side]) + 1 for side in ("width", "height"))
        metrics = {"width": wide, "height": high, "deviceScaleFactor": 1.5, "mobile": False}
        browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.drawn()
        browser.driver.save_screenshot(str(path))


if __name__ == "__main__":
    main()
