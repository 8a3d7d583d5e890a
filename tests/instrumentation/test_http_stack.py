"""requests over urllib3 over http.client: a wire attempt is one crossing, of the outermost."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, Final

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from baggage.boundary import Boundary, Fault, FaultKind, Inject, Kind, Policy, Raised, write_header
from baggage.context import attached, pack
from baggage.instrumentation import http_client as http_client_
from baggage.instrumentation import requests as requests_
from baggage.instrumentation import urllib3 as urllib3_
from baggage.instrumentation._patching import Switch
from baggage.testing import Origin, Recorder, Reply, Scripted
from baggage.testing.origin import Received, service
from baggage.testing.suite import failure
from baggage.values import EMPTY

OUTERMOST: Final = ("requests", "urllib3", "http.client")
MODULES: Final[dict[str, Any]] = dict(
    zip(OUTERMOST, (requests_, urllib3_, http_client_), strict=True)
)
RETRY = Retry(total=2, status_forcelist=[503], allowed_methods=None, backoff_factor=0)
Ask = Callable[[str], Any]


class Stack:
    """All three, instrumented in some order, with one boundary."""

    def __init__(self, order: tuple[str, ...]) -> None:
        self.boundary = Boundary()
        self.switches = {name: Switch(on=False) for name in order}
        for name in order:
            MODULES[name].instrument(self.boundary, self.switches[name])

    def on(self, libraries: tuple[str, ...]) -> Recorder:
        self.boundary.configure(Policy(service="here", strict=True))
        for name, switch in self.switches.items():
            switch.on = name in libraries
        recorder = Recorder(kinds=(Kind.CLIENT,))
        self.boundary.register(recorder)
        return recorder

    def off(self) -> None:
        self.on(())
        for app in self.boundary.apps:
            self.boundary.unregister(app.name)


STACKS: Final = [Stack(order) for order in (OUTERMOST, OUTERMOST[::-1])]


@pytest.fixture(params=STACKS, ids=["outermost first", "outermost last"])
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    used: Stack = request.param
    yield used
    used.off()


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(lambda _: Reply()).serving() as started:
        yield started


def by_requests(url: str) -> Any:
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=RETRY))
        return session.get(url, timeout=60).status_code


def by_urllib3(url: str) -> Any:
    with urllib3.PoolManager() as manager:
        return manager.request("GET", url, retries=RETRY, timeout=60).status


def by_http_client(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as response:
        return response.status


ASKS: Final[dict[str, Ask]] = dict(
    zip(OUTERMOST, (by_requests, by_urllib3, by_http_client), strict=True)
)
SWITCHED = [on for size in (1, 2, 3) for on in combinations(OUTERMOST, size)]


@pytest.mark.parametrize("asked", OUTERMOST)
@pytest.mark.parametrize("on", SWITCHED, ids="+".join)
@pytest.mark.parametrize("carried", [True, False])
def test_each_attempt_is_one_crossing_of_the_outermost_that_is_on(
    stack: Stack, origin: Origin, asked: str, on: tuple[str, ...], carried: bool
) -> None:
    recorder = stack.on(on)
    answer = service(lambda: pack("n", len(origin.received)))
    attempts = 1 if asked == "http.client" else 3

    def answering(received: Received) -> Reply:
        reply = answer(received)
        assert isinstance(reply, Reply)
        return Reply(503 if len(origin.received) < attempts else 200, reply.headers)

    origin.answer = answering
    below = OUTERMOST[OUTERMOST.index(asked) :]
    crossing = next((name for name in below if name in on), None)
    with attached(EMPTY.pack("n", 0)) as running:
        assert ASKS[asked](origin.url) == 200
        home = sorted(map(repr, running.unpack("n")))
    libraries = [crossed.call.library for crossed in recorder.begun]
    assert libraries == ([crossing] * attempts if crossing else [])
    assert len(recorder.ended) == len(recorder.begun)
    assert home == (["0", *map(str, range(1, attempts + 1))] if crossing else ["0"])


@pytest.mark.parametrize("asked", OUTERMOST)
def test_a_caller_who_carried_nothing_makes_as_many(
    stack: Stack, origin: Origin, asked: str
) -> None:
    recorder = stack.on(OUTERMOST)
    statuses = iter([200] if asked == "http.client" else [503, 503, 200])
    origin.answer = lambda _: Reply(
        next(statuses), {"baggage": write_header(EMPTY.pack("n", 1), origin="callee")}
    )
    ASKS[asked](origin.url)
    assert {crossed.call.library for crossed in recorder.begun} == {asked}
    assert len(recorder.begun) == len(origin.received)


@pytest.mark.parametrize("asked", OUTERMOST)
def test_a_fault_is_of_the_outermost_and_contacts_nobody(
    stack: Stack, origin: Origin, asked: str
) -> None:
    stack.on(OUTERMOST)
    scripted = Scripted(Inject(Fault(FaultKind.REFUSED)))
    stack.boundary.register(scripted)
    error = failure(lambda: ASKS[asked](origin.url))
    assert origin.received == []
    assert len(scripted.saw) == (1 if asked == "http.client" else 3)
    last = scripted.saw[-1]
    assert isinstance(last, Raised)
    if asked == "requests":
        assert last.error is error
