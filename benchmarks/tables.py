"""The tables of `docs/performance.md` about the core, and the names of what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import dropwhile
from typing import Final

from benchmarks import hop, sizes

Results = Mapping[str, float]
"""µs by name; what was not measured is missing."""

_ENTRIES: Final = [f"{n} {'entry' if n == 1 else 'entries'}" for n in hop.SIZES]

_BESIDE, _IDLE, _CLOCK, _WHOLE, _FLOOR, _IMPORT = (
    "beside",
    "idle",
    "clock",
    "fan-out",
    "floor",
    "import",
)


def beside(name: str, entries: int, side: str) -> str:
    return f"{_BESIDE}: {name}: {entries}: {side}"


def idle(name: str) -> str:
    return f"{_IDLE}: {name}"


def clock(operation: str, shape: str) -> str:
    return f"{_CLOCK}: {operation}: {shape}"


def whole(branches: int) -> str:
    return f"{_WHOLE}: {branches}"


def floor(name: str, entries: int) -> str:
    return f"{_FLOOR}: {name}: {entries}"


def importing(name: str) -> str:
    return f"{_IMPORT}: {name}"


def all_of(results: Results) -> dict[str, str]:
    """Return the tables of what was measured, by name."""
    made = {
        "beside": _beside(results),
        "floors": _floors(results),
        "idle": _idle(results),
        "clock": _clock(results),
        "fan-outs": _whole(results),
        "importing": _importing(results),
        "sizes": _sizes(),
    }
    return {name: table for name, table in made.items() if table}


def put(tables: Mapping[str, str], document: str) -> str:
    """Return a document with each table behind the comment that names it, in place of the last."""
    for name, table in tables.items():
        mark = f"<!-- table: {name} -->\n"
        before, found, after = document.partition(mark)
        if found:
            lines = after.splitlines(keepends=True)
            rest = dropwhile(lambda line: line.startswith("|"), lines)
            document = before + mark + table + "".join(rest)
    return document


def _beside(results: Results) -> str:
    rows = [
        [name, *(_share(results, name, entries) for entries in hop.SIZES)]
        for name in _names(results, _BESIDE)
    ]
    return markdown(["µs, ours / OpenTelemetry's", *_ENTRIES], rows)


def _floors(results: Results) -> str:
    rows = []
    for name in _names(results, _FLOOR):
        spent = [results.get(floor(name, entries)) for entries in hop.SIZES]
        rows.append([name, *map(_cell, spent)])
    return markdown(["µs, in C", *_ENTRIES], rows)


def _share(results: Results, name: str, entries: int) -> str:
    ours = results.get(beside(name, entries, "baggage"))
    peers = results.get(beside(name, entries, "OpenTelemetry"))
    if ours is None or peers is None:
        return ""
    return f"{_short(ours)} / {_short(peers)} = **{ours / peers:.2f}**"


def _idle(results: Results) -> str:
    return markdown(
        ["nothing carried, nobody registered", "µs"],
        [[name, _short(results[idle(name)])] for name in _names(results, _IDLE)],
    )


def _clock(results: Results) -> str:
    operations = list(_names(results, _CLOCK))
    shapes = dict.fromkeys(
        name.split(": ")[2] for name in results if name.startswith(f"{_CLOCK}: ")
    )
    stamps = sizes.stamps()
    rows = []
    for shape in shapes:
        spent = [results.get(clock(operation, shape)) for operation in operations]
        rows.append([shape, *map(_cell, spent), f"{stamps[shape]:,}"])
    return markdown(["a stamp, µs", *operations, "bytes"], rows)


def _whole(results: Results) -> str:
    rows = []
    for branches in _names(results, _WHOLE):
        spent = results[f"{_WHOLE}: {branches}"]
        rows.append([branches, _short(spent), _short(spent / int(branches))])
    return markdown(["split, an event in each branch, all joined", "µs", "each branch"], rows)


def _sizes() -> str:
    of = (sizes.header, sizes.packed_on_the_way, sizes.peers_header)
    rows = [[str(n), *(f"{length(n):,}" for length in of)] for n in hop.SIZES]
    header = ["entries", "header's bytes", "each by another service", "OpenTelemetry's"]
    return markdown(header, rows)


def _importing(results: Results) -> str:
    bare = results.get(importing("bare"))
    if bare is None:
        return ""
    rows = []
    for name in _names(results, _IMPORT):
        spent = results[importing(name)]
        rows.append([name, f"{spent / 1000:.1f}", f"{(spent - bare) / 1000:.1f}"])
    return markdown(["interpreter that imports", "CPU ms", "over bare Python"], rows)


def _names(results: Results, group: str) -> Iterable[str]:
    """Return the second parts of the names of a group, each once, in their order."""
    return dict.fromkeys(name.split(": ")[1] for name in results if name.startswith(f"{group}: "))


def _cell(spent: float | None) -> str:
    return "" if spent is None else _short(spent)


def _short(number: float) -> str:
    """Return a number with as many digits as it deserves."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.{2 if number < 10 else 1}f}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns but the first are numbers; "" without rows."""
    if not rows:
        return ""
    lines = [header, ["--", *["--:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
