"""`make bench`: what baggage costs beside its peers, as shares of what they cost.

    python -m benchmarks [pair …] [--blocks 60]
    python -m benchmarks core [option of pyperf …]
    python -m benchmarks exploration [part …]
    python -m benchmarks brokers [benchmark …]

A pair is a `Pair` in `PAIRS` of one of the modules here; to add one takes a function that makes the
calls, and a line that says what instruments them. What the core costs by itself is in `core`, what
exploring faults costs in `exploration`, what a message costs by a broker in `brokers`.
Without arguments: the core, and then all pairs but those that need a broker.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from benchmarks import brokers, crossings, forks, hop, measure, orders, spans

_MODULES = (crossings, forks, hop, orders, spans)
PAIRS = {pair.name: pair for module in _MODULES for pair in module.PAIRS}
BROKERED = {pair.name: pair for pair in brokers.PAIRS}


def main(arguments: Sequence[str] | None = None) -> None:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["exploration"]:
        from benchmarks import exploration  # here: as with the core, below

        exploration.main(given[1:])
        return
    if given[:1] == ["brokers"]:
        brokers.main(given[1:])
        return
    if given[:1] in ([], ["core"]):
        from benchmarks import core  # here: a process that measures the bare library has no baggage

        core.main(given[1:])
    if given[:1] == ["core"]:
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument(
        "pairs",
        nargs="*",
        choices=[*PAIRS, *BROKERED, []],
        help="all that need no broker by default",
    )
    parser.add_argument("--blocks", type=int, default=60, help="how many to measure of each")
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    parser.add_argument("--at", help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    pairs = [(PAIRS | BROKERED)[name] for name in options.pairs or PAIRS]
    if options.variant is not None:
        variant = pairs[0].variants[options.variant]
        measure.work(partial(variant, options.at) if options.at else variant, pairs[0].calls)
        return
    for pair in pairs:
        print(measure.table(pair, measure.compare(pair, options.blocks)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
