"""Measuring variants of one thing side by side, on a machine that does other things as well.

Each variant is a process of its own, and later others, each with another seed for hashes, because
where things happen to lie in memory makes a process faster or slower for all of its life: by a
quarter, in some libraries. They take turns at short blocks of calls, so that what the machine does
otherwise befalls all of them alike. Of each process the least fifth of its blocks counts, because
that only ever adds; of a variant, the mean of its processes. What counts is CPU time of the whole
process: both sides of a call, and all of their threads.
"""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import fmean

_PROCESSES = 8

Run = Callable[[int], object]
"""Makes so many calls, one after the other."""


def _alone() -> AbstractContextManager[str]:
    return nullcontext("")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Calls for which something is made `ready` before, which isn't measured."""

    ready: Run
    run: Run

    def __call__(self, calls: int) -> None:
        self.run(calls)


@dataclass(frozen=True, slots=True)
class Pair:
    """One thing to measure, under variants by name: the first one is bare, the last one a peer.

    A variant is called in its own process, and returns what to run there. `calls` go into a block.
    `serving` starts what all processes share; variants are called with its address then.
    """

    name: str
    variants: Mapping[str, Callable[..., Run]]
    calls: int
    serving: Callable[[], AbstractContextManager[str]] = _alone


def work(start: Callable[[], Run], calls: int) -> None:
    """Measure a block for each line of the standard input; print its CPU µs for each call."""
    if hasattr(os, "sched_setaffinity"):
        # Threads that take turns on two cores cost twice as much in one second as in the next.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    run = start()
    ready = run.ready if isinstance(run, Prepared) else _nothing
    ready(calls)
    run(calls)
    gc.collect()
    gc.freeze()  # else the variant with the fewest modules has the most of all collections
    for _ in sys.stdin:
        ready(calls)
        began = time.process_time()
        run(calls)
        print((time.process_time() - began) / calls * 1e6, flush=True)
    os._exit(0)  # servers and loops that still run would only complain


def _nothing(calls: int) -> None:
    pass


class Worker:
    """A process that measures one variant of a pair, whose servers are at `at`."""

    def __init__(self, pair: Pair, variant: str, seed: int, at: str) -> None:
        command = [sys.executable, "-m", "benchmarks", pair.name, "--variant", variant, "--at", at]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        )

    def block(self) -> float:
        """Measure one block."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> None:
        self._process.communicate()


def compare(pair: Pair, blocks: int, processes: int = _PROCESSES) -> dict[str, float]:
    """Return the CPU µs of a call under each variant, after so many blocks in all."""
    found: dict[str, list[float]] = {variant: [] for variant in pair.variants}
    with pair.serving() as at:
        for seed in range(processes):
            for variant, times in _take_turns(pair, -(-blocks // processes), seed, at).items():
                least = -(-len(times) // 5)
                found[variant].append(fmean(sorted(times)[:least]))
    return {variant: fmean(times) for variant, times in found.items()}


def _take_turns(pair: Pair, blocks: int, seed: int, at: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {variant: [] for variant in pair.variants}
    workers = {variant: Worker(pair, variant, seed, at) for variant in pair.variants}
    try:
        for worker in workers.values():
            worker.block()
        turns = list(workers.items())
        for number in range(blocks):
            random.Random(seed * blocks + number).shuffle(turns)  # who is next has a cold cache
            for variant, worker in turns:
                found[variant].append(worker.block())
    finally:
        for worker in workers.values():
            worker.end()
    return found


def table(pair: Pair, found: Mapping[str, float]) -> str:
    """Return the results of a pair for people."""
    variants = list(found)
    bare, peer = found[variants[0]], found[variants[-1]]
    lines = [f"{pair.name:38} {'CPU µs':>8} {'added':>8} {'of peer':>8}"]
    for variant, spent in found.items():
        added = spent - bare
        lines.append(f"  {variant:36} {spent:8.1f} {added:+8.1f} {added / (peer - bare):8.0%}")
    return "\n".join(lines)
