"""Fan-out: 64 siblings at a time, in threads, in tasks and in both, never see one another.

Rounds are served by a few workers that are kept alive, each in a scope of its own. In a round 64
requests are made at once; each packs a value and reads it back while the others do the same.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import ModuleType

import pytest

from baggage.boundary import Boundary, Kind, Policy
from baggage.context import current, pack, unpack
from baggage.instrumentation import asyncio as asyncio_instrumentation
from baggage.instrumentation import concurrent_futures
from baggage.instrumentation import threading as threading_instrumentation
from baggage.testing.parcel import Parcel, ParcelAdapter
from baggage.testing.suite import _wiring

WIDTH = 64
WORKERS = 4
MODULES: tuple[ModuleType, ...] = (
    threading_instrumentation,
    concurrent_futures,
    asyncio_instrumentation,
)

Shape = Callable[[int, ThreadPoolExecutor], list[bool]]
"""Makes the requests of a round that has this mark; says which of them saw what they had to."""


@pytest.fixture(autouse=True)
def _instrumented() -> Iterator[None]:
    wirings = [_wiring(module) for module in MODULES]
    for wiring in wirings:
        wiring.boundary.configure(Policy(service="here", strict=True))
        wiring.switch.on = True
    yield
    for wiring in wirings:
        wiring.switch.on = False


def in_threads(mark: int, pool: ThreadPoolExecutor) -> list[bool]:
    seen: list[bool] = []
    threads = [
        threading.Thread(target=lambda n=n: seen.append(request(mark, n))) for n in range(WIDTH)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def in_a_warm_pool(mark: int, pool: ThreadPoolExecutor) -> list[bool]:
    return [future.result() for future in [pool.submit(request, mark, n) for n in range(WIDTH)]]


def in_tasks(mark: int, pool: ThreadPoolExecutor) -> list[bool]:
    async def one(n: int) -> bool:
        before = unpack("n")
        pack("n", n)
        await asyncio.sleep(0)
        return before == (mark,) and holds(mark, n)

    async def gathered() -> list[bool]:
        return await asyncio.gather(*(one(n) for n in range(WIDTH)))

    return asyncio.run(gathered())


def in_all_of_them(mark: int, pool: ThreadPoolExecutor) -> list[bool]:
    def call(n: int) -> bool:
        return pool.submit(request, mark, n).result() and holds(mark, n)

    async def one(n: int) -> bool:
        return await asyncio.to_thread(call, n) and holds(mark, n)

    async def gathered() -> list[bool]:
        return await asyncio.gather(*(one(n) for n in range(WIDTH)))

    return asyncio.run(gathered())


def request(mark: int, n: int) -> bool:
    """Say whether a request saw what it had to: its round's mark, and later its own value too."""
    before = unpack("n")
    pack("n", n)
    time.sleep(0)
    return before == (mark,) and holds(mark, n)


def holds(mark: int, *numbers: int) -> bool:
    """Say whether what is carried here are these numbers, each once."""
    return sorted(unpack("n"), key=repr) == sorted([mark, *numbers], key=repr)


@dataclass
class Tally:
    """What went wrong."""

    mixed_up: int = 0
    leaked: int = 0
    rounds: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, *, mixed_up: int, leaked: int) -> None:
        with self.lock:
            self.mixed_up += mixed_up
            self.leaked += leaked
            self.rounds += 1


def serve(numbers: Iterator[int], shape: Shape, pool: ThreadPoolExecutor, tally: Tally) -> None:
    """Serve rounds, one after the other, in a thread that is kept alive."""
    boundary = Boundary(Policy(service="here", strict=True))
    for number in numbers:
        arrival = boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel())
        assert arrival is not None
        with arrival.scope():
            leaked = len(current().keys())
            pack("n", -number)
            mixed_up = WIDTH - sum(shape(-number, pool)) + (not holds(-number, *range(WIDTH)))
            arrival.respond(None)
        arrival.close()
        tally.note(mixed_up=mixed_up, leaked=leaked + len(current().keys()))


class Numbers:
    """Numbers from 1 on, for several threads."""

    def __init__(self, end: int) -> None:
        self._numbers = iter(range(1, end + 1))
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self._lock:
            return next(self._numbers)


def fan_out(shape: Shape, rounds: int) -> Tally:
    """Serve so many rounds on workers that are kept alive and a pool that gets warm."""
    tally, numbers = Tally(), Numbers(rounds)
    with ThreadPoolExecutor(8) as pool:
        args = (numbers, shape, pool, tally)
        workers = [threading.Thread(target=serve, args=args) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        left = [pool.submit(lambda: len(current().keys())) for _ in range(WIDTH)]
        tally.leaked += sum(future.result() for future in left)
    return tally


SHAPES = pytest.mark.parametrize("shape", [in_threads, in_a_warm_pool, in_tasks, in_all_of_them])


@SHAPES
def test_none_of_a_thousand_requests_sees_another_one(shape: Shape) -> None:
    tally = fan_out(shape, 16)
    assert (tally.mixed_up, tally.leaked, tally.rounds * WIDTH) == (0, 0, 1024)


@pytest.mark.soak
@SHAPES
def test_none_of_ten_thousand_requests_sees_another_one(shape: Shape) -> None:
    tally = fan_out(shape, 160)
    assert (tally.mixed_up, tally.leaked, tally.rounds * WIDTH) == (0, 0, 10240)
