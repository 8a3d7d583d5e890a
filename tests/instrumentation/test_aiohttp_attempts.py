"""What of aiohttp's client is a crossing, what it carries, and what is told of it."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict

from baggage.boundary import (
    PROCEED,
    Boundary,
    Call,
    CallSite,
    Fault,
    FaultKind,
    Flow,
    Inject,
    Interest,
    Kind,
    Policy,
    Raised,
    Returned,
)
from baggage.context import attached, pack, unpack
from baggage.instrumentation import aiohttp as instrumentation
from baggage.instrumentation import concurrent_futures as pools
from baggage.instrumentation import threading as threads
from baggage.instrumentation._patching import Switch
from baggage.testing import HANG, RESET, Origin, Reply
from baggage.testing.apps import Crossed, Recorder, Scripted
from baggage.testing.origin import Answer, Received, Silence, service
from baggage.testing.suite import HERE, InstrumentationSuite, chain, failure
from baggage.values import EMPTY
from tests.instrumentation.aiohttp_serving import application, serving
from tests.instrumentation.looping import Looping, looping

SHORT = 0.05
MANY = 64

Ask = Callable[[aiohttp.ClientSession, str], Awaitable[Any]]


Told = tuple[bytes | None, int | None]


class Learner:
    """Learns the digest and the size of each answer when it is told of it."""

    name = "learner"

    def __init__(self) -> None:
        self.told: list[Told] = []

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.OBSERVE

    def around(self, call: Call) -> Flow:
        outcome = yield PROCEED
        assert isinstance(outcome, Returned)
        self.told.append((outcome.facts.digest(), outcome.facts.size()))
        return None


class Attempts(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    looping: Looping
    origin: Origin

    @pytest.fixture(autouse=True)
    def _served(self, _clean: None) -> Iterator[None]:
        with looping() as self.looping, Origin(lambda _: Reply()).serving() as self.origin:
            yield

    def ask(self, ask: Ask, answer: Answer | None = None, **options: Any) -> Any:
        """Ask the origin, which answers so, by a session of these options."""
        if answer is not None:
            self.origin.answer = answer
        session = self.looping.session(**options)
        return self.looping.run(ask(session, self.origin.url))  # type: ignore[arg-type]

    def recorded(self) -> Recorder:
        recorder = Recorder()
        self.boundary.register(recorder)
        return recorder

    def crossed(self, ask: Ask, answer: Answer | None = None, **options: Any) -> Crossed:
        """Ask, and return the one crossing that this was."""
        recorder = self.recorded()
        self.ask(ask, answer, **options)
        (crossed,) = recorder.ended
        self.boundary.unregister(recorder.name)
        return crossed

    def told(self, answer: Answer, ask: Ask | None = None, **options: Any) -> Told:
        """Return what is told of an answer at the end of the call."""
        learner = Learner()
        self.boundary.register(learner)
        self.ask(ask or begin, answer, **options)
        (told,) = learner.told
        self.boundary.unregister(learner.name)
        return told


async def get(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url) as response:
        return await response.read()


async def begin(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url):
        pass


def test_an_aiohttp_without_client_middlewares_is_not_instrumented(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def request(self: object, method: str, str_or_url: str) -> None:
        """Stand for what aiohttp had before 3.12."""

    monkeypatch.setattr(aiohttp.ClientSession, "_request", request)
    with pytest.raises(RuntimeError, match="client middlewares"):
        instrumentation.instrument(Boundary(), Switch())
    assert vars(aiohttp.ClientSession)["_request"] is request


class TestCrossings(Attempts):
    def test_each_of_many_calls_at_once_carries_its_own_and_brings_its_own_home(self) -> None:
        async def work(request: web.Request) -> web.Response:
            echo = await asyncio.to_thread(lambda: service(give)(received(request)))
            assert isinstance(echo, Reply)
            return web.Response(headers=echo.headers)

        def give() -> None:
            (n,) = unpack("n")
            pack("echo", n)

        async def call(session: aiohttp.ClientSession, url: str, n: int) -> object:
            with attached(EMPTY.pack("n", n)) as running:
                await asyncio.sleep(0)
                async with session.get(url):
                    return running.unpack("echo")

        async def ask(url: str) -> list[object]:
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=7))
            async with session:
                return await asyncio.gather(*(call(session, url, n) for n in range(MANY)))

        with serving(application(work), self.looping) as url:
            assert self.looping.run(ask(url)) == [(n,) for n in range(MANY)]

    def test_calls_of_one_gather_are_placed_where_they_were_made(self) -> None:
        recorder = self.recorded()

        async def fan_out(session: aiohttp.ClientSession, url: str) -> None:
            for response in await asyncio.gather(*[session.get(url), session.post(url)]):
                response.release()

        self.ask(fan_out)
        name = type(self).test_calls_of_one_gather_are_placed_where_they_were_made.__qualname__
        site = CallSite(__name__, f"{name}.<locals>.fan_out")
        assert [crossed.call.site for crossed in recorder.ended] == [site, site]

    def test_what_looks_a_name_up_is_no_crossing(self, with_threads: None) -> None:
        async def done(_: web.Request) -> web.Response:
            return web.Response(text="done")

        with serving(application(done), self.looping) as url:
            recorder = self.recorded()
            named = url.replace("127.0.0.1", "localhost")
            assert self.looping.run(get(self.looping.session(), named)) == b"done"
            assert [crossed.call.library for crossed in recorder.begun] == ["aiohttp"]

    @pytest.fixture
    def with_threads(self) -> Iterator[None]:
        """Instrument threads and their pools as well."""
        switch = Switch()
        for module in (threads, pools):
            module.instrument(self.boundary, switch)
        yield
        switch.on = False

    def test_the_handshake_of_a_websocket_is_one_crossing_and_its_messages_are_none(self) -> None:
        seen: list[str | None] = []

        async def echo(request: web.Request) -> web.WebSocketResponse:
            seen.append(request.headers.get("baggage"))
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            async for message in ws:
                await ws.send_str(message.data)
            return ws

        async def talk(url: str) -> list[str]:
            async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
                said = []
                for word in ("one", "two"):
                    await ws.send_str(word)
                    said.append(await ws.receive_str())
                return said

        pack("tenant", "acme")
        recorder = self.recorded()
        with serving(application(echo), self.looping) as url:
            assert self.looping.run(talk(url)) == ["one", "two"]
        (crossed,) = recorder.ended
        assert isinstance(crossed.outcome, Returned)
        assert (crossed.outcome.facts.status, crossed.outcome.facts.digest()) == (101, None)
        assert seen[0] is not None

    def test_a_request_that_aiohttp_sends_again_by_itself_is_two_crossings(self) -> None:
        recorder = self.recorded()
        pack("tenant", "acme")
        answers: list[Answer] = [lambda _: RESET, lambda _: Reply()]
        assert self.ask(get, lambda received: answers.pop(0)(received)) == b"done"
        first, second = (crossed.outcome for crossed in recorder.ended)
        assert isinstance(first, Raised)
        assert isinstance(first.error, aiohttp.ClientOSError)
        assert isinstance(second, Returned)
        assert [bool(received.baggage) for received in self.origin.received] == [True, True]

    def test_what_the_application_gave_is_left_alone(self) -> None:
        headers, own = CIMultiDict({"X-Own": "yes"}), CIMultiDict({"X-Session": "yes"})
        seen: list[list[str]] = []

        async def look(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            before = list(request.headers)
            response = await handler(request)
            seen.append([name for name in request.headers if name not in before])
            seen.append([name for name in response.request_info.headers if name not in before])
            return response

        async def ask(session: aiohttp.ClientSession, url: str) -> None:
            async with session.get(url, headers=headers):
                pass

        pack("tenant", "acme")
        self.ask(ask, headers=own, middlewares=[look])
        assert (list(headers), list(own), seen) == (["X-Own"], ["X-Session"], [[], []])
        assert self.origin.received[0].baggage

    @pytest.mark.parametrize("given", [None, (), "own"])
    def test_middlewares_of_the_application_run_as_they_did(self, given: Any) -> None:
        ran: list[str] = []

        def noting(name: str) -> aiohttp.ClientMiddlewareType:
            async def note(
                request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
            ) -> aiohttp.ClientResponse:
                ran.append(name)
                return await handler(request)

            return note

        async def ask(session: aiohttp.ClientSession, url: str) -> None:
            middlewares = (noting("own"),) if given == "own" else given
            async with session.get(url, middlewares=middlewares):
                pass

        pack("tenant", "acme")
        self.ask(ask, middlewares=[noting("session")])
        assert ran == {None: ["session"], (): [], "own": ["own"]}[given]
        assert self.origin.received[0].baggage

    def test_an_answer_from_a_middleware_of_the_application_is_no_crossing(self) -> None:
        kept: list[aiohttp.ClientResponse] = []

        async def cached(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            if not kept:
                kept.append(await handler(request))
            return kept[0]

        async def twice(session: aiohttp.ClientSession, url: str) -> None:
            for _ in range(2):
                await (await session.get(url)).read()

        assert self.crossed(twice, middlewares=[cached]).outcome is not None

    def test_an_error_for_a_status_tells_and_brings_home_what_the_answer_does(self) -> None:
        pack("n", 1)
        recorder = self.recorded()

        def refuse(came: Received) -> Reply:
            reply = service(lambda: pack("n", 2), "stock")(came)
            assert isinstance(reply, Reply)
            return Reply(503, reply.headers)

        error = failure(lambda: self.ask(get, refuse, raise_for_status=True))
        assert isinstance(error, aiohttp.ClientResponseError)
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Returned)
        assert (outcome.facts.status, outcome.target, set(unpack("n"))) == (503, "stock", {1, 2})

    def test_an_error_that_a_call_raises_for_an_answer_tells_of_it(self) -> None:
        class Strict(aiohttp.ClientResponse):
            async def start(self, connection: Any) -> aiohttp.ClientResponse:
                await super().start(connection)
                self.raise_for_status()
                return self

        recorder = self.recorded()
        failure(lambda: self.ask(get, lambda _: Reply(404), response_class=Strict))
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert (outcome.facts.status, outcome.facts.ok, outcome.facts.digest()) == (
            404,
            False,
            None,
        )

    def test_a_time_out_of_the_whole_call_is_told_as_such_while_it_connects(self) -> None:
        async def hang(*_: Any) -> None:
            await asyncio.sleep(30)

        recorder = self.recorded()
        traces = aiohttp.TraceConfig()
        traces.on_connection_create_start.append(hang)
        limits = aiohttp.ClientTimeout(total=SHORT)
        error = failure(lambda: self.ask(get, timeout=limits, trace_configs=[traces]))
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert outcome.error is error
        assert chain(error) == [(TimeoutError, True), (asyncio.CancelledError, False)]

    def test_a_call_that_is_cancelled_is_told_as_such(self) -> None:
        async def cancel(session: aiohttp.ClientSession, url: str) -> None:
            task = asyncio.ensure_future(get(session, url))
            await asyncio.to_thread(arrived.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        arrived = threading.Event()

        def hang(_: Received) -> Silence:
            arrived.set()
            return HANG

        recorder = self.recorded()
        self.ask(cancel, hang)
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert type(outcome.error) is asyncio.CancelledError

    def test_a_redirect_to_a_forbidden_host_carries_nothing_of_what_went_before(self) -> None:
        self.boundary.configure(Policy(service=HERE, strict=True, hosts=("127.0.0.1",)))
        elsewhere = f"http://localhost:{self.origin.port}/"
        pack("tenant", "acme")
        self.boundary.register(Scripted())
        self.ask(
            get,
            lambda _: (
                Reply(302, {"Location": elsewhere}) if len(self.origin.received) < 2 else Reply()
            ),
            headers={"X-Own": "yes"},
        )
        assert [bool(came.baggage) for came in self.origin.received] == [True, False]
        assert [came.headers["x-own"] for came in self.origin.received] == ["yes", "yes"]


def received(request: web.Request) -> Received:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Received(request.method, request.path_qs, headers, b"", 0)


class TestDescriptions(Attempts):
    def described(self, ask: Ask, **options: Any) -> Call:
        return self.crossed(ask, **options).call

    def test_a_call_is_described_by_method_path_and_address(self) -> None:
        async def ask(session: aiohttp.ClientSession, url: str) -> None:
            async with session.put(f"{url}a%20b/ü?q=1#part", params={"r": "2"}, data=b"x"):
                pass

        call = self.described(ask)
        assert (call.operation, call.method) == ("PUT /a%20b/%C3%BC", "put")
        assert call.arguments == {"url": f"{self.origin.url}a%20b/%C3%BC?q=1&r=2"}
        assert call.endpoint is not None
        assert (call.endpoint.host, call.endpoint.port) == ("127.0.0.1", self.origin.port)
        assert call.library == "aiohttp"

    @pytest.mark.parametrize(
        ("session", "call", "seconds"),
        [
            ({}, {}, None),
            ({"timeout": aiohttp.ClientTimeout(total=7)}, {}, 7),
            ({"timeout": aiohttp.ClientTimeout(total=7)}, {"timeout": None}, None),
            ({}, {"timeout": aiohttp.ClientTimeout(total=7, sock_read=5)}, 5),
            ({}, {"timeout": aiohttp.ClientTimeout(sock_read=5)}, 5),
            ({}, {"timeout": aiohttp.ClientTimeout(connect=5)}, None),
            ({}, {"timeout": aiohttp.ClientTimeout(total=0)}, None),
            ({}, {"timeout": aiohttp.ClientTimeout(total=300)}, 300),
        ],
    )
    def test_a_timeout_is_what_the_application_set(
        self, session: dict[str, Any], call: dict[str, Any], seconds: float | None
    ) -> None:
        async def ask(made: aiohttp.ClientSession, url: str) -> None:
            async with made.get(url, **call):
                pass

        assert self.described(ask, **session).timeout == seconds

    def test_a_payload_is_told_apart_by_what_the_callee_reads(self) -> None:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"

        def posting(path: str, **body: Any) -> bytes | None:
            async def ask(session: aiohttp.ClientSession, url: str) -> None:
                async with session.post(url + path, **body):
                    pass

            return self.crossed(ask).call.payload

        answered = Fault(FaultKind.STATUS, status=200)
        self.boundary.register(Scripted(Inject(answered)))

        same = [posting("p?q=1", data=b"a"), posting("p", params={"q": "1"}, data="a")]
        assert len(set(same)) == 1
        others = [
            posting("p?q=1"),
            posting("p?q=2", data=b"a"),
            posting("r?q=1", data=b"a"),
            posting("p?q=1", data=b"b"),
            posting("p?q=1", json="a"),
            posting("p?q=1", data={"a": "b"}),
        ]
        assert len({*same, *others}) == 7
        assert None not in others
        assert posting("p?q=1", data=parts()) is None


class TestBodies(Attempts):
    """What is known of a body that nobody has read yet, and what the application sees of that."""

    @pytest.mark.parametrize("body", [b"", b"x", b"x" * 65_536])
    def test_a_short_one_of_a_stated_length_is_told(self, body: bytes) -> None:
        digest, size = self.told(lambda _: Reply(body=body))
        assert size == len(body)
        assert digest is not None
        assert self.told(lambda _: Reply(body=body)) == (digest, size)
        assert self.told(lambda _: Reply(body=body + b"y")) != (digest, size)

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(body=b"x" * 65_537),
            Reply(body=[b"chunk"]),
            Reply(headers={"Content-Encoding": "deflate"}, body=zlib.compress(b"x")),
            b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        ],
        ids=["long", "chunked", "compressed", "until the end"],
    )
    def test_any_other_is_not(self, reply: Reply | bytes) -> None:
        assert self.told(lambda _: reply) == (None, None)

    def test_a_short_one_that_would_fill_the_buffer_is_not(self) -> None:
        assert self.told(lambda _: Reply(body=b"x" * 100), read_bufsize=10) == (None, None)

    def test_of_a_redirect_it_is_the_place_that_is_told(self) -> None:
        async def ask(session: aiohttp.ClientSession, url: str) -> None:
            async with session.get(url, allow_redirects=False):
                pass

        def digest(place: str) -> bytes | None:
            return self.told(lambda _: Reply(302, {"Location": place}), ask)[0]

        assert digest("/a") == digest("/a") != digest("/b")

    @pytest.mark.parametrize("asked", [True, False])
    def test_it_is_read_by_the_application_as_before(self, asked: bool) -> None:
        async def ask(session: aiohttp.ClientSession, url: str) -> list[object]:
            async with session.get(url) as first, session.get(url) as second:
                chunks = [chunk async for chunk in second.content.iter_chunked(3)]
                return [await first.read(), await first.json(content_type=None), chunks]

        if asked:
            self.recorded()
        read = self.ask(ask, lambda _: Reply(body=b"[1, 2]"))
        assert read == [b"[1, 2]", [1, 2], [b"[1,", b" 2]"]]

    def test_one_that_the_server_holds_back_is_not_waited_for_long(self) -> None:
        more = threading.Event()

        async def ask(session: aiohttp.ClientSession, url: str) -> bytes:
            async with session.get(url) as response:
                more.set()
                return await response.read()

        learner = Learner()
        self.boundary.register(learner)
        with slowly(HEAD, more, b"done") as url:
            assert self.looping.run(ask(self.looping.session(), url)) == b"done"
        assert learner.told == [(None, None)]

    @pytest.mark.parametrize(
        ("rest", "limits"),
        [
            (b"do", {}),
            (RESET, {}),
            (None, {"total": SHORT}),
            (None, {"sock_read": SHORT}),
        ],
    )
    def test_what_goes_wrong_with_it_happens_to_who_reads_it(
        self, rest: bytes | Silence | None, limits: dict[str, float]
    ) -> None:
        async def ask(url: str) -> tuple[object, str]:
            timeout = aiohttp.ClientTimeout(**limits)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                response = await session.get(url)
                with pytest.raises((aiohttp.ClientError, TimeoutError)) as raised:
                    await response.read()
                return type(raised.value), str(raised.value)

        begun = threading.Event()
        if rest is not None:
            begun.set()
        seen = []
        for asked in (False, True):
            recorder = self.recorded()
            self.switch.on = asked
            with slowly(HEAD, begun, rest) as url:
                seen.append(self.looping.run(ask(url)))
            assert [type(crossed.outcome) for crossed in recorder.ended] == [Returned] * asked
        assert seen[0] == seen[1]

    def test_a_call_that_is_cancelled_meanwhile_leaves_no_connection(self) -> None:
        async def ask(session: aiohttp.ClientSession, url: str) -> int:
            task = asyncio.ensure_future(session.get(url)._coro)
            await asyncio.sleep(SHORT)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return len(session.connector._acquired)  # type: ignore[union-attr]

        self.recorded()
        with slowly(HEAD, threading.Event(), None) as url:
            assert self.looping.run(ask(self.looping.session(), url)) == 0


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


@contextmanager
def slowly(head: bytes, more: threading.Event, rest: bytes | Silence | None) -> Iterator[str]:
    """Serve one request: `head`, and `rest` when there shall be `more`; None holds it back."""
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(head)
            (ended if rest is None else more).wait(300)
            if isinstance(rest, bytes):
                connection.sendall(rest)
            else:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            ended.set()
            thread.join()
