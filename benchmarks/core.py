"""`python -m benchmarks core`: the core beside OpenTelemetry's baggage, by pyperf.

    python -m benchmarks core [--fast] [--only hop --only read] [-o results.json]
    python -m benchmarks core --write docs/performance.md

Takes pyperf's options too. Prints the tables of that document: CPU time, of each benchmark
the least of all values, since what a machine does otherwise only ever adds. A benchmark is a line
in `benchmarks`; what it runs is in `hop`, `steps`, `idle`, `clocks`, `floors` and `importing`.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyperf

from benchmarks import clocks, floors, hop, idle, importing, steps, tables
from benchmarks.measure import Run

Make = Callable[[], Run]

_BESIDE: Final[dict[str, tuple[Callable[[int], Run], Callable[[int], Run]]]] = {
    "hop, untouched": (
        partial(hop.ours, packs=False),
        partial(hop.opentelemetry, packs=False),
    ),
    "hop, one value packed": (hop.ours, hop.opentelemetry),
    "hop, one value packed, one read": (
        partial(hop.ours, reads=True),
        partial(hop.opentelemetry, reads=True),
    ),
    "extract": (steps.extract, steps.peers_extract),
    "extract, one value read": (
        partial(steps.extract, reads=True),
        partial(steps.peers_extract, reads=True),
    ),
    "extract, all values read": (steps.read_all, steps.peers_read_all),
    "inject, untouched": (steps.inject, steps.peers_inject),
    "pack, the first value here": (steps.pack, steps.peers_pack),
    "pack, in place of the last": (steps.replace, steps.peers_pack),
    "pack, the same in a forked branch": (partial(steps.replace, forked=True), steps.peers_pack),
    "unpack, of what was read": (steps.unpack, steps.peers_unpack),
    "unpack, by a declared key": (partial(steps.unpack, declared=True), steps.peers_unpack),
    "unpack, of what is current": (steps.unpack_current, steps.peers_unpack_current),
}
_IDLE: Final[dict[str, Make]] = {
    "no crossing": idle.bare,
    "departure, in no branch": idle.departure,
    "departure, in an empty branch": partial(idle.in_branch, idle.departure),
    "arrival, of a stranger's request": idle.arrival,
    "arrival, of one of ours": partial(idle.arrival, signed=True),
    "arrival, as gRPC's servers make it": idle.unasked_arrival,
    "fork, in no branch": idle.fork,
    "fork, in an empty branch": partial(idle.in_branch, idle.fork),
    "fork that nobody asks about, in no branch": idle.share,
    "fork that nobody asks about, in an empty branch": partial(idle.in_branch, idle.share),
    "OpenTelemetry's inject": idle.peers_departure,
    "OpenTelemetry's extract, attach, detach": idle.peers_arrival,
}
_CLOCK: Final = {"split": clocks.split, "event": clocks.event, "join": clocks.join}
_FANS: Final = (8, 100, 1000)
_FLOORS: Final = {
    "base64, there and back": floors.base64,
    "upb parses the message": floors.parse,
    "…, and Python reads each key and value": floors.read,
    "C makes all objects of the entries": floors.compiled,
}


def benchmarks() -> dict[str, Make]:
    """Return what there is to measure, by name; ours and the peer's one after the other."""
    found: dict[str, Make] = {}
    for name, (ours, peers) in _BESIDE.items():
        for entries in hop.SIZES:
            found[tables.beside(name, entries, "baggage")] = partial(ours, entries)
            found[tables.beside(name, entries, "OpenTelemetry")] = partial(peers, entries)
    for name, make in _IDLE.items():
        found[tables.idle(name)] = make
    for operation, measured in _CLOCK.items():
        for shape, shaped in clocks.SHAPES.items():
            found[tables.clock(operation, shape)] = partial(_shaped, measured, shaped)
    for name, floor in _FLOORS.items():
        for entries in hop.SIZES:
            found[tables.floor(name, entries)] = partial(floor, entries)
    found[tables.idle("set, get and reset of a ContextVar")] = floors.current
    for branches in _FANS:
        found[tables.whole(branches)] = partial(clocks.whole, branches)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    runner = pyperf.Runner(
        processes=5,
        min_time=0.03,
        program_args=("-m", "benchmarks", "core"),
        add_cmdline_args=_pass_on,
    )
    runner.argparser.add_argument("--only", action="append", help="part of a benchmark's name")
    runner.argparser.add_argument("--write", type=Path, help="a document to put the tables into")
    runner.argparser.set_defaults(quiet=True)
    options = runner.parse_args(arguments)
    results: dict[str, float] = {}

    def measure(name: str, time_calls: Callable[[int], float]) -> None:
        if options.only and not any(part in name for part in options.only):
            return
        measured = runner.bench_time_func(name, time_calls)
        if measured is not None and not options.worker:
            results[name] = min(measured.get_values()) * 1e6

    for name, make in benchmarks().items():
        measure(name, partial(_timed, make))
    for name, statement in importing.STATEMENTS.items():
        measure(tables.importing(name), partial(_imported, statement))
    if not options.worker:
        found = tables.all_of(results)
        sys.stdout.write("\n".join(found.values()))
        if options.write:
            options.write.write_text(tables.put(found, options.write.read_text("utf-8")), "utf-8")


def _pass_on(command: list[str], options: Any) -> None:
    """Tell a worker which benchmarks there are: it knows its own by number."""
    for part in options.only or ():
        command += ["--only", part]


def _timed(make: Make, loops: int) -> float:
    run = make()
    run(min(loops, 100))
    gc.collect()
    gc.freeze()
    start = time.process_time()
    run(loops)
    return time.process_time() - start


def _imported(statement: str, loops: int) -> float:
    return importing.interpreters_time(statement, loops)


def _shaped(measured: Callable[[clocks.Shape], Run], shaped: Callable[[], clocks.Shape]) -> Run:
    return measured(shaped())
