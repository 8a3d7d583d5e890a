"""Work for other processes: what pickles, and what the processes it runs in need."""

from __future__ import annotations

import os
from multiprocessing.context import SpawnProcess
from typing import Any

from baggage.boundary import PROCEED, Boundary, Call, Flow, Interest, Kind, Policy, Proceed
from baggage.context import branch, current, pack, unpack
from baggage.instrumentation import concurrent_futures_process as pools
from baggage.instrumentation._patching import Switch
from baggage.values import Direction, key

DOWN = key("errand.down", direction=Direction.DOWN)
HOME = key("errand.home", direction=Direction.HOME)
FOUND = key("recorder.found", direction=Direction.HOME)


class Refusal(Exception):
    """An exception of an application, with an attribute of its own."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = 7


class Unpicklable:
    def __reduce__(self) -> Any:
        raise TypeError("this one stays")


def keys(*_: object) -> tuple[str, ...]:
    return current().keys()


def pid() -> int:
    return os.getpid()


def service() -> str:
    running = branch()
    return "" if running is None else running.service


def work(n: int, *, down: str = "") -> tuple[object, ...]:
    """Tell what is seen, and pack."""
    seen = (unpack("n"), unpack(DOWN), unpack(HOME))
    pack("n", n)
    pack(HOME, f"home {n}")
    if down:
        pack(DOWN, down)
    return seen


def found(n: int) -> None:
    pack(FOUND, n)


def refuse() -> None:
    pack("n", 2)
    raise Refusal("no")


def unpicklable() -> Unpicklable:
    pack("n", 2)
    return Unpicklable()


def unpicklable_refusal() -> None:
    pack("n", 2)
    error = Refusal("no")
    error.code = Unpicklable()  # type: ignore[assignment]
    raise error


def echo(n: int, answers: Any) -> None:
    answers.put((work(n), service(), os.getpid()))


def exit_with(code: object) -> None:
    pack("n", 2)
    raise SystemExit(code)


def much() -> None:
    for n in range(2000):
        pack(HOME, f"{n:0100}")


def die() -> None:
    os._exit(3)


class Overriding(SpawnProcess):
    """A process that overrides `run`."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def run(self) -> None:
        work(self.n)


class Telling:
    """A meta-application that tells in the baggage which runs it saw."""

    name = "telling"

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.AROUND if kind is Kind.RUN else Interest.NONE

    def around(self, call: Call) -> Flow:
        yield Proceed(down={DOWN: "run's"}) if call.kind is Kind.RUN else PROCEED
        running = branch()
        assert running is not None
        running.pack(HOME, f"{call.library} {call.source} {call.site.module} {call.site.function}")
        return None


def instrumented() -> None:
    """Instrument a worker."""
    pools.instrument(Boundary(Policy(service="worker", strict=True), (Telling(),)), Switch())
