"""What is added to coverage.py's pages, so that what faults alone reached meets the eye.

Pages that don't look as expected stay as they are, and show the same on a click for each line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape, unescape
from itertools import groupby
from os.path import relpath
from pathlib import Path
from typing import Final

from metaapps.filibuster.coverage.summary import FileSummary, Summary, ranges

_TITLE: Final = re.compile(r"<title>Coverage for (.*): [^:]*%</title>")
_STYLE: Final = """\
<style>
#source p.run.faults .t { border-left-color: #e06c00; }
#source p.run.faults.show_run .t { background: #ffe9d2; }
#faults { margin: 0 3.5rem 2rem; }
#faults h2 { font-size: 1.1em; margin: 1.5rem 0 .5rem; }
#faults td { padding: .15em 1em .15em 0; text-align: left; vertical-align: top; }
@media (prefers-color-scheme: dark) {
  #source p.run.faults.show_run .t { background: #4a3620; }
}
</style>
"""
# A click opens the list of a line's contexts.
_SCRIPT: Final = """\
<script>
addEventListener("load", () => %s.forEach(line => {
  document.getElementById("t" + line)?.closest("p").classList.add("faults");
  document.getElementById("ctxs" + line)?.click();
}));
</script>
"""


def mark(directory: Path, summary: Summary) -> None:
    """Mark the lines that faults alone reached, and list them on the first page."""
    files = {shown(file.path): file for file in summary.files}
    links: dict[str, str] = {}
    for page in sorted(directory.glob("*.html")):
        text = page.read_text(encoding="utf-8")
        title = _TITLE.search(text)
        file = files.get(unescape(title[1])) if title else None
        if file is not None:
            links[file.path] = page.name
            script = _SCRIPT % json.dumps(list(file.by_faults))
            page.write_text(text.replace("</head>", f"{_STYLE}{script}</head>", 1), "utf-8")
    index = directory / "index.html"
    text = index.read_text(encoding="utf-8").replace("</head>", f"{_STYLE}</head>", 1)
    listed = "".join(_section(summary, links))
    index.write_text(text.replace("</main>", f"{listed}</main>", 1), encoding="utf-8")


def shown(path: str) -> str:
    """Return a path as coverage.py shows it: as seen from here, if it is below."""
    near = relpath(path)
    return path if near.startswith("..") else near


def groups(file: FileSummary) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Yield the lines that faults alone reached, in short, with the first and with the faults."""
    for names, lines in groupby(file.by_faults, key=lambda line: file.by_faults[line]):
        chosen = list(lines)
        yield ranges(chosen, file.statements), chosen[0], names


def _section(summary: Summary, links: dict[str, str]) -> Iterator[str]:
    yield '<section id="faults"><h2>Reached by faults only</h2><table>'
    for file in summary.files:
        for place, first, names in groups(file):
            href = f"{links.get(file.path, '')}#t{first}"
            told = "<br>".join(escape(name) for name in names)
            name = escape(shown(file.path))
            yield f'<tr><td><a href="{href}">{name}: {place}</a></td><td>{told}</td></tr>'
    yield "</table></section>"
