"""ASGI applications of no framework: behind uvicorn, wrapped by hand, and step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, ClassVar

import pytest
import uvicorn

import baggage
from baggage.boundary import (
    Boundary,
    Call,
    Fault,
    FaultKind,
    Flow,
    Inject,
    Interest,
    Kind,
    Policy,
    Raised,
    Returned,
    read_header,
    write_header,
)
from baggage.context import attached, branch, current, pack, unpack
from baggage.instrumentation import _asgi_server
from baggage.instrumentation import uvicorn as instrumentation
from baggage.instrumentation._asgi import AsgiAdapter
from baggage.instrumentation._asgi_server import Served
from baggage.instrumentation._patching import Switch
from baggage.testing import Recorder, Scripted
from baggage.testing.http_server import View
from baggage.testing.suite import failure
from baggage.values import EMPTY, Baggage, Direction, Key, Value, key
from tests.instrumentation.asgi_serving import BehindUvicorn, bare

FOUND = key("recorder.found", direction=Direction.HOME)
ADAPTER = AsgiAdapter("asgi")
BODY = {"type": "http.response.body", "body": b"done"}
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}
STREAM = {"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"yes")]}

App = Callable[[Any, Any, Any], Any]


class TestUvicorn(BehindUvicorn):
    """What uvicorn loads is served, and nobody has to wrap it."""

    instrumentation: ClassVar = instrumentation

    def application(self, view: View) -> Any:
        return bare(view)


class ByHand(ModuleType):
    """Stands for an instrumentation, where applications are wrapped by hand."""

    def instrument(self, boundary: Boundary, switch: Switch) -> None:
        """Do nothing."""


class TestByHand(BehindUvicorn):
    instrumentation: ClassVar = ByHand("by_hand")

    def application(self, view: View) -> Any:
        return Served(self.boundary, ADAPTER, bare(view))

    test_it_can_be_switched_off_and_on_again = None  # type: ignore[assignment]


class Caller:
    """Calls an application as a server would, in this task; remembers what it was sent."""

    def __init__(self, carried: Baggage | None = EMPTY, kind: str = "http", **more: Any) -> None:
        headers = [(b"x-foreign", b"yes"), (b"x-foreign", b"twice")]
        if carried is not None:
            headers.append((b"baggage", write_header(carried, origin="caller").encode()))
        self.scope: dict[str, Any] = {"type": kind, "path": "/a b", "headers": headers, **more}
        if kind == "http":
            self.scope["method"] = "GET"
        self.sent: list[Any] = []
        self.around: list[object] = []
        self.first = asyncio.Event()
        self.events: list[Any] = [{"type": "http.request"}, {"type": "http.disconnect"}]

    async def receive(self) -> Any:
        self.around.append(branch())
        await asyncio.sleep(0)
        return self.events.pop(0)

    async def send(self, message: Any) -> None:
        self.around.append(branch())
        await asyncio.sleep(0)
        self.sent.append(message)
        self.first.set()

    async def call(self, app: App) -> Caller:
        await app(self.scope, self.receive, self.send)
        return self

    @property
    def home(self) -> Baggage:
        return self.home_of(0)

    def home_of(self, n: int) -> Baggage:
        headers = dict(self.sent[n]["headers"])
        return read_header(headers.get(b"baggage", b"").decode())

    @property
    def types(self) -> list[str]:
        return [message["type"].rpartition(".")[2] for message in self.sent]


class Sink:
    """Remembers in which scope it is handed what found no room."""

    name = "recorder"

    def __init__(self) -> None:
        self.scopes: list[object] = []

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.NONE

    def around(self, call: Call) -> Flow:
        raise AssertionError("never asked")

    def overflow(self, key: Key, values: Sequence[Value]) -> None:
        self.scopes.append(unpack("tenant"))


class Steps:
    """What serves an application without a server."""

    boundary: Boundary

    @pytest.fixture(autouse=True)
    def _boundary(self) -> Iterator[None]:
        self.boundary = Boundary(Policy(service="here", strict=True))
        with attached(EMPTY):
            yield

    def served(self, app: App) -> Served:
        return Served(self.boundary, ADAPTER, app)

    def ask(self, app: App, carried: Baggage | None = EMPTY, **more: Any) -> Caller:
        return asyncio.run(Caller(carried, **more).call(self.served(app)))

    def recorded(self) -> Recorder:
        recorder = Recorder(kinds=(Kind.SERVER,))
        self.boundary.register(recorder)
        return recorder

    def scripted(self, first: Any = None, then: Any = None) -> Scripted:
        scripted = Scripted(first or baggage.boundary.PROCEED, then, kinds=(Kind.SERVER,))
        self.boundary.register(scripted)
        return scripted


class TestSteps(Steps):
    """One request, message by message."""

    @pytest.mark.parametrize("start", [START, STREAM])
    def test_what_is_packed_between_start_and_first_bytes_goes_home(self, start: Any) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(start)
            pack("n", 1)
            await send(BODY)

        caller = self.ask(app)
        assert (caller.types, caller.home.unpack("n")) == (["start", "body"], (1,))

    def test_a_stranger_is_not_kept_waiting_for_headers(self) -> None:
        caller = Caller(None)
        seen: list[object] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(STREAM)
            seen.extend(caller.types)
            await send(BODY)

        asyncio.run(caller.call(self.served(app)))
        assert seen == ["start"]
        assert caller.sent[0] == STREAM

    def test_headers_do_not_wait_for_first_bytes_that_wait_for_the_caller(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_asgi_server, "_PATIENCE", 0.01)
        caller = Caller()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            pack("n", 1)
            await send(STREAM)
            await caller.first.wait()
            await send(BODY)

        asyncio.run(caller.call(self.served(app)))
        assert (caller.types, caller.home.unpack("n")) == (["start", "body"], (1,))

    def test_what_finds_no_room_is_handed_over_in_the_scope_whoever_sends_the_headers(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_asgi_server, "_PATIENCE", 0.001)
        self.boundary.configure(Policy(service="here", strict=True, budget=256))
        sink = Sink()
        self.boundary.register(sink)
        caller = Caller(EMPTY.pack("tenant", "acme"))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            pack(FOUND, b"x" * 300)
            await send(STREAM)
            await caller.first.wait()
            await send(BODY)

        asyncio.run(caller.call(self.served(app)))
        assert sink.scopes == [("acme",)]

    def test_the_task_that_answers_brings_home_what_it_packed(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            mine = branch()
            assert mine is not None
            with attached(mine.split()):  # as whoever forks at every task does
                pack("n", 1)
                await send(START)
                await send(BODY)

        assert self.ask(app).home.unpack("n") == (1,)

    def test_the_server_runs_in_its_own_branch(self) -> None:
        inside: list[object] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            inside.append(branch())
            await receive()
            await send(START)
            await send(BODY)
            inside.append(branch())

        async def serve() -> None:
            before = branch()
            caller = await Caller(EMPTY.pack("tenant", "acme")).call(self.served(app))
            assert branch() is before
            assert caller.around == [before] * 3
            assert inside[0] is inside[1] is not before

        asyncio.run(serve())

    def test_an_exception_passes_after_what_was_sent_before_it(self) -> None:
        own = LookupError("the application's own")
        recorder = self.recorded()
        caller = Caller()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            raise own

        assert failure(lambda: asyncio.run(caller.call(self.served(app)))) is own
        assert caller.types == ["start"]
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert outcome.error is own

    def test_a_request_that_is_cancelled_ends_its_crossing(self) -> None:
        recorder = self.recorded()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.sleep(60)

        async def serve() -> None:
            task = asyncio.ensure_future(Caller().call(self.served(app)))
            await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(serve())
        assert isinstance(recorder.ended[0].outcome, Raised)

    def test_a_fault_may_take_the_place_of_an_exception(self) -> None:
        self.scripted(then=Fault(FaultKind.STATUS, status=503, body=b"no"))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise LookupError("the application's own")

        caller = self.ask(app)
        assert [caller.sent[0]["status"], caller.sent[1]["body"]] == [503, b"no"]

    def test_an_exception_may_take_the_place_of_an_answer(self) -> None:
        error = LookupError("a flow's")
        self.scripted(then=Raised(error))
        caller, after = Caller(), []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(BODY)
            after.append("sent")

        assert failure(lambda: asyncio.run(caller.call(self.served(app)))) is error
        assert (caller.sent, after) == ([], ["sent"])

    def test_work_after_the_answer_is_in_the_scope_and_goes_to_its_owners(self) -> None:
        recorder = self.recorded()
        ended: list[object] = []
        seen: list[object] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(BODY)
            ended.extend(recorder.ended)
            seen.append(unpack("tenant"))
            pack(FOUND, 1)

        caller = self.ask(app, EMPTY.pack("tenant", "acme"))
        assert len(ended) == 1
        assert seen == [("acme",)]
        assert caller.home.unpack(FOUND) == ()
        assert recorder.lost == [("recorder.found", 1)]

    def test_a_whole_body_is_known_and_one_in_pieces_is_not(self) -> None:
        recorder = self.recorded()
        more = {"type": "http.response.body", "body": b"do", "more_body": True}

        async def whole(scope: Any, receive: Any, send: Any) -> None:
            await send(STREAM)
            await send(BODY)

        async def forwarded(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send({**BODY, "more_body": True})
            assert len(recorder.ended) == 2
            await send({"type": "http.response.body"})

        async def pieces(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(more)
            await send({**more, "more_body": False})

        for app in (whole, forwarded, pieces):
            self.ask(app)
        outcomes = [each.outcome for each in recorder.ended]
        first, second, third = (each.facts for each in outcomes if isinstance(each, Returned))
        assert first.digest() == second.digest() is not None
        assert (third.digest(), third.size()) == (None, 4)

    def test_messages_of_extensions_pass(self) -> None:
        others = [
            {"type": "http.response.debug"},
            {"type": "http.response.pathsend", "path": "/x"},
        ]

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(others[0])
            await send(STREAM)
            await send(others[1])

        assert self.ask(app).types == ["debug", "start", "pathsend"]

    def test_a_request_is_described(self) -> None:
        recorder = self.recorded()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(BODY)

        self.ask(app, client=("10.0.0.1", 5))
        self.ask(app, client=None, raw_path=b"/a%20b", query_string=b"q=1")
        first, second = (each.call for each in recorder.ended)
        assert first.operation == second.operation == "GET /a%20b"
        assert (str(first.endpoint), second.arguments["query"]) == ("10.0.0.1:5", "q=1")
        assert first.arrived["x-foreign"] == "yes,twice"
        assert {*first.arrived} == {"x-foreign", "baggage"}

    @pytest.mark.parametrize("kind", ["lifespan", "of.tomorrow"])
    def test_what_is_no_request_is_left_alone(self, kind: str) -> None:
        recorder = self.recorded()
        calls: list[Any] = []

        async def app(*args: Any) -> None:
            calls.append(args)

        caller = Caller(kind=kind)
        asyncio.run(caller.call(self.served(app)))
        assert calls == [(caller.scope, caller.receive, caller.send)]
        assert recorder.begun == []

    def test_an_application_within_another_one_is_a_part_of_it(self) -> None:
        recorder = self.recorded()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            pack("n", 1)
            await send(START)
            await send(BODY)

        async def outer(scope: Any, receive: Any, send: Any) -> None:
            await self.served(app)({**scope, "path": "/b"}, receive, send)

        assert self.ask(outer).home.unpack("n") == (1,)
        assert len(recorder.begun) == 1

    def test_64_requests_at_a_time_keep_apart(self) -> None:
        together = asyncio.Barrier(64)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            (mine,) = unpack("n")
            await together.wait()
            pack("echo", mine)
            await send(STREAM)
            await together.wait()
            assert unpack("echo") == (mine,)
            await send(BODY)

        async def ask(n: int) -> object:
            caller = await Caller(EMPTY.pack("n", n)).call(self.served(app))
            return caller.home.unpack("echo")

        async def serve() -> list[object]:
            return await asyncio.gather(*map(ask, range(64)))

        assert asyncio.run(serve()) == [(n,) for n in range(64)]
        assert current().keys() == ()


class TestSockets(Steps):
    """Websockets."""

    def connected(self, app: App, **more: Any) -> Caller:
        caller = Caller(EMPTY.pack("tenant", "acme"), "websocket", **more)
        caller.events = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "x"}]
        return asyncio.run(caller.call(self.served(app)))

    def test_a_websocket_is_one_arrival_to_its_end(self) -> None:
        recorder = self.recorded()
        seen: list[object] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            pack("n", 1)
            await send({"type": "websocket.accept", "headers": [(b"x-own", b"yes")]})
            await receive()
            assert recorder.ended == []
            seen.append(unpack("tenant"))
            pack(FOUND, 2)
            await send({"type": "websocket.send", "text": "y"})
            await send({"type": "websocket.close"})

        caller = self.connected(app)
        assert caller.types == ["accept", "send", "close"]
        assert dict(caller.sent[0]["headers"])[b"x-own"] == b"yes"
        assert (caller.home.unpack("n"), seen) == ((1,), [("acme",)])
        assert recorder.lost == [("recorder.found", 2)]
        (crossed,) = recorder.ended
        assert isinstance(crossed.outcome, Returned)
        assert (crossed.call.operation, crossed.outcome.facts.status) == ("GET /a%20b", 101)

    def test_a_websocket_may_be_refused(self) -> None:
        recorder = self.recorded()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.close", "code": 4000})

        caller = self.connected(app)
        assert caller.sent == [{"type": "websocket.close", "code": 4000}]
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Returned)
        assert outcome.facts.status == 403

    @pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
    def test_an_injected_status_refuses_a_websocket(self, extensions: Any) -> None:
        self.scripted(Inject(Fault(FaultKind.STATUS, status=503, body=b"no")))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise AssertionError("never runs")

        caller = self.connected(app, extensions=extensions)
        if extensions:
            assert [caller.sent[0]["status"], caller.sent[1]["body"]] == [503, b"no"]
        else:
            assert caller.types == ["close"]


def test_an_application_is_wrapped_for_the_process_by_one_call() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        pack("n", 1)
        await send(START)
        await send(BODY)

    caller = asyncio.run(Caller().call(baggage.asgi(app, service="named")))
    assert (caller.home.unpack("n"), caller.home.origin) == ((1,), "named")


@pytest.mark.parametrize("wrap", [False, True])
def test_an_application_that_has_a_name_keeps_it_behind_uvicorn(wrap: bool) -> None:
    boundary, switch = Boundary(Policy(service="process")), Switch()
    instrumentation.instrument(boundary, switch)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(BODY)

    async def load() -> Any:
        named = Served(boundary, ADAPTER, app, "named") if wrap else app
        config = uvicorn.Config(named, log_config=None, lifespan="off")
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[])
        return config.loaded_app

    loaded = asyncio.run(load())
    recorder = Recorder(kinds=(Kind.SERVER,))
    boundary.register(recorder)
    caller = asyncio.run(Caller(client=None).call(loaded))
    switch.on = False
    assert caller.home.origin == ("named" if wrap else "process")
    assert len(recorder.begun) == 1
    assert asyncio.run(Caller(client=None).call(loaded)).types == ["start", "body"]
