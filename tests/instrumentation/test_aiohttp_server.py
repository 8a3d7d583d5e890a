"""aiohttp.web, in several ways to answer, keeps what every HTTP server has to."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import IncompleteRead
from pathlib import Path
from typing import Any, ClassVar, Final

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from baggage.boundary import (
    Fault,
    FaultKind,
    Inject,
    Kind,
    Outcome,
    Proceed,
    Raised,
    Returned,
    read_header,
    write_header,
)
from baggage.context import current, pack, unpack
from baggage.instrumentation import aiohttp_web as instrumentation
from baggage.instrumentation import asyncio as tasks
from baggage.instrumentation._patching import Switch
from baggage.testing import Recorder, Scripted
from baggage.testing.http_server import HttpServerSuite, View
from baggage.testing.suite import HERE, InstrumentationSuite
from baggage.testing.visitor import Answered, Visitor, visiting
from baggage.values import EMPTY, Direction, key
from tests.instrumentation.aiohttp_serving import Handle, application, serving
from tests.instrumentation.looping import Looping, looping

FOUND: Final = key("recorder.found", direction=Direction.HOME)
LATER: Final = "Fri, 01 Jan 2100 00:00:00 GMT"


def answering(view: View) -> Handle:
    """Return a handler that calls a view in a thread: it may block."""

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await asyncio.to_thread(view)
        if isinstance(answer, int):
            return web.Response(status=answer)
        if isinstance(answer, bytes):
            return web.Response(body=answer)
        return await stream(request, answer)

    return handle


async def stream(request: web.Request, chunks: Iterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse()
    first = await asyncio.to_thread(next, chunks, None)
    await response.prepare(request)
    while first is not None:
        await response.write(first)
        first = await asyncio.to_thread(next, chunks, None)
    return response


class TestHandlers(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    @contextmanager
    def serving(self, view: View) -> Iterator[str]:
        with looping() as running, self.served(view, running) as url:
            yield url

    def served(self, view: View, running: Looping) -> AbstractContextManager[str]:
        return serving(application(answering(view)), running)


class TestExceptionsAsAnswers(TestHandlers):
    """Answers that the handler raises, behind a middleware."""

    def served(self, view: View, running: Looping) -> AbstractContextManager[str]:
        handle = answering(view)

        async def raising(request: web.Request) -> web.StreamResponse:
            response = await handle(request)
            if isinstance(response, web.Response):
                kind = next(kind for kind in KINDS if kind.status_code == response.status)
                if kind.empty_body:
                    raise kind
                assert isinstance(response.body, bytes | None)
                raise kind(text=(response.body or b"").decode())
            return response

        @web.middleware
        async def passing(request: web.Request, handler: Any) -> web.StreamResponse:
            response: web.StreamResponse = await handler(request)
            return response

        app = application(raising)
        app.middlewares.append(passing)
        return serving(app, running)


KINDS = (web.HTTPOk, web.HTTPNoContent, web.HTTPNotFound)


class TestMounted(TestHandlers):
    """An application in an application is a part of it."""

    def served(self, view: View, running: Looping) -> AbstractContextManager[str]:
        outer = web.Application()
        outer.add_domain("127.0.0.1*", application(answering(view)))
        return serving(outer, running)


class TestBareServer(TestHandlers):
    """`web.Server`, with neither application nor router."""

    @contextmanager
    def served(self, view: View, running: Looping) -> Iterator[str]:
        async def begin() -> tuple[web.ServerRunner, str]:
            runner = web.ServerRunner(web.Server(answering(view), access_log=None))  # type: ignore[arg-type]
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"

        runner, url = running.run(begin())
        try:
            yield url
        finally:
            running.run(runner.cleanup())


class TestPayloads(TestHandlers):
    """Streams that are the body of a plain response."""

    def served(self, view: View, running: Looping) -> AbstractContextManager[str]:
        async def handle(_: web.Request) -> web.StreamResponse:
            answer = await asyncio.to_thread(view)
            if isinstance(answer, int):
                return web.Response(status=answer)
            if isinstance(answer, bytes):
                return web.Response(text=answer.decode())
            first = await asyncio.to_thread(next, answer, None)
            return web.Response(body=chunks(first, answer))

        return serving(application(handle), running)


async def chunks(first: bytes | None, others: Iterator[bytes]) -> AsyncIterator[bytes]:
    while first is not None:
        yield first
        first = await asyncio.to_thread(next, others, None)


class TestWeb(InstrumentationSuite):
    """What only aiohttp has."""

    instrumentation: ClassVar = instrumentation

    @pytest.fixture(autouse=True)
    def _looping(self, _clean: None) -> Iterator[None]:
        with looping() as self.looping:
            yield

    looping: Looping

    @contextmanager
    def visited(self, handle: Handle | web.Application) -> Iterator[Visitor]:
        app = handle if isinstance(handle, web.Application) else application(handle)
        with serving(app, self.looping) as url, visiting(url) as visitor:
            yield visitor

    def asked(self, handle: Handle | web.Application, **options: Any) -> Answered:
        with self.visited(handle) as visitor:
            return visitor.ask(EMPTY, **options)

    def recorded(self) -> Recorder:
        recorder = Recorder(kinds=(Kind.SERVER,))
        self.boundary.register(recorder)
        return recorder

    def outcome(self, recorder: Recorder) -> Outcome:
        recorder.wait(lambda it: it.ended)
        (crossed,) = recorder.ended
        assert crossed.outcome is not None
        return crossed.outcome

    @pytest.mark.parametrize(
        ("headers", "status"),
        [({}, 200), ({"Range": "bytes=1-2"}, 206), ({"If-Modified-Since": LATER}, 304)],
    )
    def test_a_file_brings_baggage_home(
        self, tmp_path: Path, headers: dict[str, str], status: int
    ) -> None:
        path = tmp_path / "file.txt"
        path.write_bytes(b"0123456789")

        async def send(_: web.Request) -> web.FileResponse:
            pack("n", 1)
            return web.FileResponse(path)

        recorder = self.recorded()
        answered = self.asked(send, headers=headers)
        assert (answered.status, answered.baggage.unpack("n")) == (status, (1,))
        outcome = self.outcome(recorder)
        assert isinstance(outcome, Returned)
        assert (outcome.facts.status, outcome.facts.digest()) == (status, None)

    def test_a_websocket_brings_baggage_home_and_ends_at_its_end(self) -> None:
        async def echo(request: web.Request) -> web.WebSocketResponse:
            pack("n", 1)
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            async for message in ws:
                await ws.send_str(f"{message.data} {unpack('n')}")
            return ws

        async def talk(url: str) -> tuple[str, str]:
            header = {"baggage": write_header(EMPTY, origin="caller")}
            async with aiohttp.ClientSession() as session:
                async with session.ws_connect(url, headers=header) as ws:
                    await ws.send_str("one")
                    said = await ws.receive_str()
                    assert recorder.ended == []
                return said, ws._response.headers["baggage"]

        recorder = self.recorded()
        with serving(application(echo), self.looping) as url:
            said, home = self.looping.run(talk(url))
            outcome = self.outcome(recorder)
        assert (said, read_header(home).unpack("n")) == ("one (1,)", (1,))
        assert isinstance(outcome, Returned)
        assert outcome.facts.status == 101

    def test_an_exception_of_the_application_is_answered_as_without_us(self) -> None:
        async def fail(_: web.Request) -> web.Response:
            pack("n", 1)
            raise LookupError("the application's own")

        recorder = self.recorded()
        answered = self.asked(fail)
        assert (answered.status, answered.baggage.unpack("n")) == (500, (1,))
        outcome = self.outcome(recorder)
        assert isinstance(outcome, Returned)
        assert (outcome.facts.status, outcome.facts.ok) == (500, False)
        self.switch.on = False
        assert self.asked(fail).status == 500

    def test_a_handler_that_times_out_is_answered_as_without_us(self) -> None:
        async def late(_: web.Request) -> web.Response:
            async with asyncio.timeout(0):
                await asyncio.sleep(9)
            raise AssertionError

        recorder = self.recorded()
        assert self.asked(late).status == 504
        outcome = self.outcome(recorder)
        assert isinstance(outcome, Returned)
        assert outcome.facts.status == 504

    @pytest.mark.parametrize("answer", [None, "text"])
    def test_a_handler_that_returns_no_response_is_answered_as_without_us(
        self, answer: Any
    ) -> None:
        async def forget(_: web.Request) -> Any:
            pack("n", 1)
            return answer

        recorder = self.recorded()
        answered = self.asked(forget)
        assert (answered.status, answered.baggage.unpack("n")) == (500, (1,))
        outcome = self.outcome(recorder)
        assert isinstance(outcome, Returned)
        assert outcome.facts.status == 500

    def test_an_exception_within_a_stream_is_told_as_what_it_is(self) -> None:
        async def fail(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"first")
            raise LookupError("the application's own")

        recorder = self.recorded()
        with self.visited(fail) as visitor:
            response = visitor.begin(EMPTY)
            assert response.status == 200
            with pytest.raises(IncompleteRead):
                response.read()
            visitor.leave()
        outcome = self.outcome(recorder)
        assert isinstance(outcome, Raised)
        assert isinstance(outcome.error, LookupError)

    def test_a_handler_that_is_cancelled_ends_its_crossing(self) -> None:
        begun = threading.Event()

        async def hang(_: web.Request) -> web.Response:
            pack(FOUND, 1)
            begun.set()
            await asyncio.sleep(60)
            raise AssertionError

        recorder = self.recorded()
        app = application(hang)
        with serving(app, self.looping, handler_cancellation=True) as url:
            port = int(url.rstrip("/").rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert begun.wait(300)
            outcome = self.outcome(recorder)
        assert isinstance(outcome, Raised)
        assert type(outcome.error) is asyncio.CancelledError
        recorder.wait(lambda it: it.lost)
        assert recorder.lost == [("recorder.found", 1)]

    def test_a_fault_takes_the_place_of_what_an_exception_makes(self) -> None:
        async def fail(_: web.Request) -> web.Response:
            raise LookupError("the application's own")

        fault = Fault(FaultKind.STATUS, status=418, body=b"tea")
        self.boundary.register(Scripted(then=fault, kinds=(Kind.SERVER,)))
        answered = self.asked(fail)
        assert (answered.status, answered.body) == (418, b"tea")

    @pytest.mark.parametrize(
        ("error", "status"), [(web.HTTPConflict(text="no"), 409), (LookupError("x"), 500)]
    )
    def test_an_exception_that_a_flow_puts_in_the_place_of_an_answer_is_the_handlers(
        self, error: Exception, status: int
    ) -> None:
        async def done(_: web.Request) -> web.Response:
            return web.Response(text="done")

        self.boundary.register(Scripted(then=Raised(error), kinds=(Kind.SERVER,)))
        assert self.asked(done).status == status

    @pytest.mark.parametrize("fault", [FaultKind.REFUSED, FaultKind.BODY, FaultKind.CANCELLED])
    def test_a_server_cannot_make_a_clients_faults(self, fault: FaultKind) -> None:
        async def done(_: web.Request) -> web.Response:
            return web.Response(text="done")

        injecting = Scripted(Inject(Fault(fault)), kinds=(Kind.SERVER,))
        self.boundary.register(injecting)
        assert self.asked(done).body == b"done"
        assert injecting.saw[0].injected is None

    def test_an_arrival_is_delayed_before_the_handler_runs(self) -> None:
        async def done(_: web.Request) -> web.Response:
            return web.Response(text="done")

        self.boundary.register(Scripted(Proceed(delay=0.001), kinds=(Kind.SERVER,)))
        assert self.asked(done).body == b"done"

    def test_what_the_application_adds_when_headers_are_prepared_stays(self) -> None:
        async def done(request: web.Request) -> web.Response:
            pack("n", 1)
            return web.Response(text="done", headers={"baggage": "own=1"})

        async def add(_: web.Request, response: web.StreamResponse) -> None:
            seen.append(response.headers["baggage"])
            response.headers["X-Own"] = "yes"

        seen: list[str] = []
        app = application(done)
        app.on_response_prepare.append(add)
        answered = self.asked(app)
        assert (answered.headers["x-own"], seen) == ("yes", ["own=1"])
        assert (answered.baggage.unpack("n"), answered.baggage.foreign) == ((1,), ("own=1",))

    def test_a_clone_of_the_request_is_answered_as_the_request(self) -> None:
        async def rewrite(request: web.Request) -> web.StreamResponse:
            pack("n", 1)
            response = web.StreamResponse()
            await response.prepare(request.clone(rel_url="/other"))
            await response.write(b"done")
            return response

        answered = self.asked(rewrite)
        assert (answered.body, answered.baggage.unpack("n")) == (b"done", (1,))

    def test_an_upload_is_read_by_the_handler(self) -> None:
        async def count(request: web.Request) -> web.Response:
            size = 0
            async for chunk in request.content.iter_any():
                size += len(chunk)
            return web.Response(text=f"{size} {unpack('n')}")

        async def upload(url: str) -> str:
            header = {"baggage": write_header(EMPTY.pack("n", 1), origin="caller")}
            async with aiohttp.ClientSession() as session:
                body = b"x" * 1_000_000
                async with session.post(url, data=body, headers=header, expect100=True) as answer:
                    return await answer.text()

        with serving(application(count), self.looping) as url:
            assert self.looping.run(upload(url)) == "1000000 (1,)"

    def test_what_is_no_request_is_no_arrival(self) -> None:
        recorder = self.recorded()
        with serving(application(answering(lambda: b"done")), self.looping) as url:
            port = int(url.rstrip("/").rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"nonsense\r\n\r\n")
                assert connection.recv(1000).startswith(b"HTTP/1.0 400")
        assert recorder.begun == []

    def test_pipelined_requests_are_arrivals_of_their_own(self) -> None:
        async def carried(_: web.Request) -> web.Response:
            return web.Response(text=repr(unpack("n")))

        def request(header: str) -> bytes:
            return f"GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode()

        one = "baggage: " + write_header(EMPTY.pack("n", 1), origin="caller") + "\r\n"
        with serving(application(carried), self.looping) as url:
            port = int(url.rstrip("/").rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(request(one) + request("") + request("Connection: close\r\n"))
                answers = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert [answers.count(text) for text in (b"(1,)", b"\r\n\r\n()")] == [1, 2]

    def test_an_application_can_have_a_name_of_its_own(self) -> None:
        recorder = self.recorded()
        app = application(answering(lambda: b"done"))
        instrumentation.name_service(app, "stock")
        assert self.asked(app).baggage.origin == "stock"
        assert self.asked(answering(lambda: b"done")).baggage.origin == HERE
        assert [crossed.call.source for crossed in recorder.begun] == ["stock", HERE]

    def test_an_arrival_says_who_came_and_what_for(self) -> None:
        recorder = self.recorded()
        self.asked(answering(lambda: b"done"), path="/a%20b/%C3%BC?q=1&r=a%20b")
        call = recorder.begun[0].call
        assert (call.library, call.operation) == ("aiohttp.web", "GET /a%20b/%C3%BC")
        assert call.arguments == {"path": "/a%20b/%C3%BC", "query": "q=1&r=a%20b"}
        assert call.endpoint is not None
        assert call.endpoint.host == "127.0.0.1"
        assert call.endpoint.port > 0
        assert len(call.arrived) == len(list(call.arrived))
        with pytest.raises(KeyError):
            call.arrived["x-none"]

    def test_the_server_of_aiohttps_test_utilities_is_one_too(self) -> None:
        async def ask() -> str:
            header = {"baggage": write_header(EMPTY.pack("n", 1), origin="caller")}
            server = TestServer(application(carried))
            async with TestClient(server) as client, client.get("/", headers=header) as response:
                return await response.text()

        async def carried(_: web.Request) -> web.Response:
            return web.Response(text=repr(unpack("n")))

        assert self.looping.run(ask()) == "(1,)"

    def test_what_a_handler_leaves_running_does_not_carry_into_the_next_request(self) -> None:
        left: list[asyncio.Task[None]] = []
        seen: list[object] = []

        async def leave(_: web.Request) -> web.Response:
            seen.append(current().keys())
            pack("n", 1)
            left.append(asyncio.ensure_future(asyncio.sleep(0.01)))
            return web.Response(text="done")

        with self.visited(leave) as visitor:
            visitor.ask(EMPTY.pack("tenant", "acme"))
            visitor.ask()
        assert seen == [("tenant",), ()]

    def test_tasks_of_a_handler_are_branches_of_its_request_and_those_of_aiohttp_are_none(
        self, with_tasks: None
    ) -> None:
        async def work(n: int) -> object:
            before = unpack("n")
            pack("n", n)
            await asyncio.sleep(0)
            return before

        async def fan_out(_: web.Request) -> web.Response:
            found = await asyncio.gather(*(work(n) for n in (1, 2)))
            return web.Response(text=repr(found))

        recorder = Recorder(kinds=(Kind.SPAWN, Kind.SERVER))
        self.boundary.register(recorder)
        sent = EMPTY.pack("n", 0)
        with self.visited(fan_out) as visitor:
            visitor.ask()
            recorder.begun.clear()
            answered = visitor.ask(sent)
            kinds = [crossed.call.kind for crossed in recorder.begun]
        assert answered.body == b"[(0,), (0,)]"
        assert sorted(sent.join(answered.baggage).unpack("n"), key=repr) == [0, 1, 2]
        assert kinds == [Kind.SERVER, Kind.SPAWN, Kind.SPAWN]

    @pytest.fixture
    def with_tasks(self) -> Iterator[None]:
        """Instrument tasks as well."""
        switch = Switch()
        tasks.instrument(self.boundary, switch)
        yield
        switch.on = False

    def test_an_application_runs_by_the_function_that_runs_one(self) -> None:
        async def run() -> str:
            app = application(carried)
            task = asyncio.ensure_future(
                web._run_app(app, sock=listening, print=None, handle_signals=False)
            )
            header = {"baggage": write_header(EMPTY.pack("n", 1), origin="caller")}
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
            async with aiohttp.request("GET", url, headers=header) as response:
                said = await response.text()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return said

        async def carried(_: web.Request) -> web.Response:
            return web.Response(text=repr(unpack("n")))

        with socket.create_server(("127.0.0.1", 0)) as listening:
            assert self.looping.run(run()) == "(1,)"
