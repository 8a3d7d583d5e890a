"""An injected fault of aiohttp is told from a real one by nothing that an application can see."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import pytest
from aiohttp import client_exceptions

from baggage.boundary import Fault, FaultKind, Inject, Returned
from baggage.instrumentation import aiohttp as instrumentation
from baggage.testing import HANG, RESET, Reply, Scripted
from baggage.testing.suite import InstrumentationSuite, chain, failure, outcome_of
from tests.instrumentation.looping import Looping, looping
from tests.instrumentation.real_faults import answering, full, refusing

REFUSED = Fault(FaultKind.REFUSED)
TIMEOUT = Fault(FaultKind.TIMEOUT)
RESETTING = Fault(FaultKind.RESET)
SHORT = 0.05
UNAVAILABLE = b'{"why": "tired"}'

Ask = Callable[[aiohttp.ClientSession, str], Awaitable[Any]]


def raising(name: str) -> Fault:
    return Fault(FaultKind.RAISE, name=f"aiohttp.{name}")


async def get(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url) as response:
        return await response.read()


async def post(session: aiohttp.ClientSession, url: str) -> bytes:
    response = await session.post(url, json={"a": 1})
    return await response.read()


async def upload(session: aiohttp.ClientSession, url: str) -> bytes:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"part"
            await asyncio.sleep(0)

    async with session.put(url, data=parts()) as response:
        return await response.read()


@contextmanager
def breaking_off() -> Iterator[str]:
    """Yield the address of a server that sends a part of a body, and then nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a"')
                while connection.recv(65536):
                    pass

        pool.submit(serve)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # who was in haste may never have come


async def shake_hands(session: aiohttp.ClientSession, url: str) -> None:
    async with session.ws_connect(url):
        pass


ASKS = pytest.mark.parametrize("ask", [get, post, upload, shake_hands])
# A real connection may break before or after an upload has ended.
AT_ONCE = pytest.mark.parametrize("ask", [get, post, shake_hands])


def told(error: BaseException | None) -> list[object]:
    """Return all that an application can learn of an exception and of what it came of."""
    learnt: list[object] = []
    while error is not None:
        seen = {name: repr(value) for name, value in vars(error).items()}
        learnt.append((type(error), str(error), repr(error), repr(error.args), seen))
        error = error.__cause__ or error.__context__
    return learnt


def by_socket(path: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.UnixConnector(path))


class Faults(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    looping: Looping

    @pytest.fixture(autouse=True)
    def _looping(self, _clean: None) -> Iterator[None]:
        with looping() as self.looping:
            yield

    def ask(self, ask: Ask, url: str, **options: Any) -> Any:
        session = self.looping.session(**options)
        return self.looping.run(ask(session, url))  # type: ignore[arg-type]

    def inject(self, fault: Fault, **scripted: Any) -> Scripted:
        injecting = Scripted(Inject(fault), **scripted)
        self.boundary.register(injecting)
        return injecting


class TestExceptions(Faults):
    """Real ones first, and then the same call under a fault."""

    def alike(self, ask: Ask, url: str, fault: Fault, **options: Any) -> None:
        real = told(failure(lambda: self.ask(ask, url, **options)))
        injecting = self.inject(fault)
        assert told(failure(lambda: self.ask(ask, url, **options))) == real
        assert injecting.saw[0].injected == fault

    @ASKS
    @pytest.mark.parametrize("fault", [REFUSED, raising("ClientConnectorError")])
    def test_a_refused_connection(self, ask: Ask, fault: Fault) -> None:
        with refusing() as url:
            self.alike(ask, url, fault)

    def test_a_refused_connection_to_a_name(self) -> None:
        with refusing() as url:
            named = url.replace("127.0.0.1", "localhost")
            real = failure(lambda: self.ask(get, named))
            self.inject(REFUSED)
            seen = failure(lambda: self.ask(get, named))
        assert isinstance(real, aiohttp.ClientConnectorError)
        assert isinstance(seen, aiohttp.ClientConnectorError)
        assert (seen.host, seen.port, seen.ssl) == (real.host, real.port, real.ssl)
        assert (seen.errno, chain(seen)) == (real.errno, chain(real))

    def test_a_proxy_that_refuses(self) -> None:
        with refusing() as url:
            self.alike(get, "http://example.invalid/path", REFUSED, proxy=url)

    def test_a_unix_socket_that_nobody_listens_on(self, tmp_path: Path) -> None:
        path = str(tmp_path / "held")
        with socket.socket(socket.AF_UNIX) as held:
            held.bind(path)
            self.alike(get, "http://localhost/path", REFUSED, make=partial(by_socket, path))

    @ASKS
    @pytest.mark.parametrize(
        "limits",
        [
            {"total": SHORT},
            {"total": SHORT, "sock_read": 9},
            {"sock_read": SHORT},
            {"total": 9, "sock_read": SHORT},
        ],
    )
    def test_an_answer_that_does_not_come(self, ask: Ask, limits: dict[str, float]) -> None:
        with answering(lambda _: HANG) as url:
            self.alike(ask, url, TIMEOUT, timeout=aiohttp.ClientTimeout(**limits))

    @pytest.mark.parametrize("limits", [{"connect": SHORT}, {"sock_connect": SHORT}])
    @pytest.mark.parametrize("fault", [TIMEOUT, raising("ConnectionTimeoutError")])
    def test_a_connection_that_does_not_come(self, limits: dict[str, float], fault: Fault) -> None:
        with full() as url:
            self.alike(get, url, fault, timeout=aiohttp.ClientTimeout(**limits))

    @pytest.mark.parametrize(
        ("fault", "limits"),
        [
            (raising("SocketTimeoutError"), {"sock_read": SHORT}),
            (Fault(FaultKind.RAISE, name="asyncio.TimeoutError"), {"total": SHORT}),
            (Fault(FaultKind.RAISE, name="asyncio.exceptions.TimeoutError"), {"total": SHORT}),
        ],
    )
    def test_a_time_out_by_name(self, fault: Fault, limits: dict[str, float]) -> None:
        with answering(lambda _: HANG) as url:
            self.alike(get, url, fault, timeout=aiohttp.ClientTimeout(**limits))

    @AT_ONCE
    @pytest.mark.parametrize("fault", [RESETTING, raising("ClientOSError")])
    def test_a_connection_that_is_reset(self, ask: Ask, fault: Fault) -> None:
        with answering(lambda _: RESET) as url:
            self.alike(ask, url, fault)

    @AT_ONCE
    def test_a_connection_that_is_closed_without_an_answer(self, ask: Ask) -> None:
        with answering(lambda _: b"") as url:
            self.alike(ask, url, raising("ServerDisconnectedError"))

    def test_a_body_that_ends_too_early_is_told_to_who_reads_it(self) -> None:
        cut = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nbroken"
        with answering(lambda _: cut) as url:
            real = told(failure(lambda: self.ask(post, url)))
            injecting = self.inject(raising("ClientPayloadError"))
            assert told(failure(lambda: self.ask(post, url))) == real
        assert isinstance(injecting.saw[0], Returned)

    def test_a_name_that_nobody_knows(self) -> None:
        self.inject(raising("ClientConnectorDNSError"))
        error = failure(lambda: self.ask(get, "http://example.invalid/"))
        assert chain(error) == [
            (aiohttp.ClientConnectorDNSError, True),
            (socket.gaierror, False),
        ]
        assert str(error).startswith("Cannot connect to host example.invalid:80 ssl:default [")

    def test_a_handshake_that_is_answered_by_a_status(self) -> None:
        with answering(lambda _: Reply(503)) as url:
            real = failure(lambda: self.ask(shake_hands, url))
            self.inject(Fault(FaultKind.STATUS, status=503))
            seen = failure(lambda: self.ask(shake_hands, url))
        assert isinstance(real, aiohttp.WSServerHandshakeError)
        assert (type(seen), str(seen), chain(seen)) == (type(real), str(real), chain(real))

    def test_a_status_that_the_session_raises_for(self) -> None:
        with answering(lambda _: Reply(503)) as url:
            real = failure(lambda: self.ask(get, url, raise_for_status=True))
            injecting = self.inject(Fault(FaultKind.STATUS, status=503))
            seen = failure(lambda: self.ask(get, url, raise_for_status=True))
        assert isinstance(real, aiohttp.ClientResponseError)
        assert (type(seen), str(seen), chain(seen)) == (type(real), str(real), chain(real))
        assert isinstance(injecting.saw[0], Returned)

    @pytest.mark.parametrize("name", sorted(client_exceptions.__all__))
    def test_each_exception_of_the_client_can_be_raised_by_name(self, name: str) -> None:
        injecting = self.inject(raising(name))
        with refusing() as url:
            error = failure(lambda: self.ask(post, url))
        if name in ("ContentTypeError", "WSMessageTypeError"):  # of reading an answer
            assert injecting.saw[0].injected is None
        elif name == "ServerTimeoutError":  # which has a kind for each limit
            assert isinstance(error, aiohttp.SocketTimeoutError)
        else:
            assert type(error).__name__ == name
            assert str(error)

    @pytest.mark.parametrize("name", ["requests.Timeout", "aiohttp.Nothing", "aiohttp.web", "x"])
    def test_nothing_else_can(self, name: str) -> None:
        injecting = self.inject(Fault(FaultKind.RAISE, name=name))
        with answering(lambda _: Reply()) as url:
            assert self.ask(get, url) == b"done"
        assert injecting.saw[0].injected is None

    @pytest.mark.parametrize("status", [99, 101, 1000])
    def test_no_status_of_an_answer_is_no_fault(self, status: int) -> None:
        injecting = self.inject(Fault(FaultKind.STATUS, status=status))
        with answering(lambda _: Reply()) as url:
            assert self.ask(get, url) == b"done"
        assert injecting.saw[0].injected is None

    @pytest.mark.parametrize("seconds", [0, 0.001])
    def test_a_response_of_a_class_that_waits_for_something_else_is_left_to_come(
        self, seconds: float
    ) -> None:
        class Slow(aiohttp.ClientResponse):
            async def start(self, connection: Any) -> aiohttp.ClientResponse:
                await asyncio.sleep(seconds)
                return await super().start(connection)

        fault = Fault(FaultKind.STATUS, status=503, body=b"injected")
        injecting = self.inject(fault)
        with answering(lambda _: Reply(503)) as url:
            body = self.ask(get, url, response_class=Slow)
        injected = None if seconds else fault
        assert (body, injecting.saw[0].injected) == (b"done" if seconds else b"injected", injected)

    def test_what_aiohttp_sends_again_by_itself_it_sends_again_under_a_fault(self) -> None:
        injecting = self.inject(RESETTING)
        with refusing() as url:
            failure(lambda: self.ask(get, url))
        assert [outcome.injected for outcome in injecting.saw] == [RESETTING, RESETTING]


class TestAnswers(Faults):
    """A status that is injected makes an answer like any other."""

    def answered(self, use: Ask, **options: Any) -> Any:
        self.inject(Fault(FaultKind.STATUS, status=503, body=UNAVAILABLE))
        return self.ask(use, "http://callee.invalid/path?q=1#part", **options)

    def test_it_looks_like_one(self) -> None:
        async def use(session: aiohttp.ClientSession, url: str) -> list[object]:
            response = await session.get(url)
            return [
                (response.status, response.reason, response.ok, response.method),
                (str(response.url), str(response.real_url), response.history),
                (response.request_info.headers["host"], response.content_length),
                (response.headers["content-length"], response.cookies, response.version),
                await response.json(content_type=None),
            ]

        assert self.answered(use) == [
            (503, "Service Unavailable", False, "GET"),
            ("http://callee.invalid/path?q=1", "http://callee.invalid/path?q=1#part", ()),
            ("callee.invalid", 16),
            ("16", {}, aiohttp.HttpVersion11),
            {"why": "tired"},
        ]

    @pytest.mark.parametrize(
        "read",
        [
            lambda response: response.read(),
            lambda response: response.content.read(),
            lambda response: response.content.readexactly(16),
        ],
    )
    def test_it_is_read_in_each_way(self, read: Callable[[Any], Awaitable[bytes]]) -> None:
        async def use(session: aiohttp.ClientSession, url: str) -> tuple[bytes, bool]:
            async with session.post(url, data=b"x" * 70_000) as response:
                body = await read(response)
            return body, response.closed

        assert self.answered(use) == (UNAVAILABLE, True)

    def test_it_is_read_after_the_session_was_closed(self) -> None:
        async def use(session: aiohttp.ClientSession, url: str) -> str:
            response = await session.get(url)
            await session.close()
            return await response.text()

        assert self.answered(use) == UNAVAILABLE.decode()

    def test_it_need_not_be_read(self) -> None:
        async def use(session: aiohttp.ClientSession, url: str) -> int:
            response = await session.get(url)
            response.release()
            return len(session.connector._acquired)  # type: ignore[union-attr]

        assert self.answered(use) == 0

    def test_it_has_no_body_where_none_is_asked_for(self) -> None:
        async def use(session: aiohttp.ClientSession, url: str) -> tuple[bytes, str]:
            async with session.head(url) as response:
                return await response.read(), response.headers["content-length"]

        assert self.answered(use) == (b"", "16")

    @pytest.mark.parametrize("status", [200, 204, 302, 304, 418, 599, 999])
    def test_it_has_any_final_status(self, status: int) -> None:
        async def use(session: aiohttp.ClientSession, url: str) -> tuple[int, bytes]:
            async with session.get(url) as response:
                return response.status, await response.read()

        self.inject(Fault(FaultKind.STATUS, status=status, body=b"body"))
        body = b"" if status in (204, 304) else b"body"
        assert self.ask(use, "http://callee.invalid/") == (status, body)

    def test_a_long_one_is_read_whole(self) -> None:
        long = b"x" * (1 << 20)
        self.inject(Fault(FaultKind.STATUS, status=500, body=long))
        assert self.ask(get, "http://callee.invalid/", read_bufsize=64) == long

    def test_traces_see_it(self) -> None:
        seen: list[bytes] = []

        async def chunk(_: Any, __: Any, params: aiohttp.TraceResponseChunkReceivedParams) -> None:
            await asyncio.sleep(0)
            seen.append(params.chunk)

        async def sent(*_: Any) -> None:
            await asyncio.sleep(0)

        traces = aiohttp.TraceConfig()
        traces.on_response_chunk_received.append(chunk)
        traces.on_request_headers_sent.append(sent)
        assert self.answered(get, trace_configs=[traces]) == UNAVAILABLE
        assert seen == [UNAVAILABLE]

    @pytest.mark.parametrize("ask", [get, post, upload])
    def test_a_call_of_any_body_gets_it(self, ask: Ask) -> None:
        assert self.answered(ask) == UNAVAILABLE


class TestAfterTheAnswer(Faults):
    """Faults that befall an answer which did come."""

    def then(self, fault: Fault) -> None:
        self.boundary.register(Scripted(then=fault))

    @pytest.mark.parametrize("length", [4, 70_000, 1 << 22])
    @pytest.mark.parametrize("fault", [TIMEOUT, RESETTING, raising("ClientError")])
    def test_no_connection_is_left_of_one_that_is_lost(self, length: int, fault: Fault) -> None:
        async def use(session: aiohttp.ClientSession, url: str) -> int:
            with pytest.raises((aiohttp.ClientError, TimeoutError)):
                await session.post(url)
            return len(session.connector._acquired)  # type: ignore[union-attr]

        self.then(fault)
        with answering(lambda _: Reply(body=b"x" * length)) as url:
            assert self.ask(use, url) == 0

    @pytest.mark.parametrize("length", [4, 70_000, 1 << 22])
    def test_a_changed_body_is_read_in_each_way(self, length: int) -> None:
        async def use(session: aiohttp.ClientSession, url: str) -> list[bytes]:
            async with session.post(url) as first, session.post(url) as second:
                chunks = [chunk async for chunk in second.content.iter_chunked(4)]
                return [await first.read(), (await first.text()).encode(), b"".join(chunks)]

        self.then(Fault(FaultKind.BODY, body=b"changed"))
        with answering(lambda _: Reply(body=b"x" * length)) as url:
            assert self.ask(use, url) == [b"changed"] * 3

    @pytest.mark.parametrize("length", [4, 70_000, 1 << 22])
    @pytest.mark.parametrize("encoded", [False, True])
    @pytest.mark.parametrize("edit", ["null long", "null none"])
    def test_an_edited_body_is_read_in_each_way(
        self, length: int, encoded: bool, edit: str
    ) -> None:
        body = json.dumps({"long": "x" * length}).encode()
        seen = b'{"long":null}' if edit == "null long" else body

        async def use(session: aiohttp.ClientSession, url: str) -> list[bytes]:
            async with session.post(url) as first, session.post(url) as second:
                chunks = [chunk async for chunk in second.content.iter_chunked(4096)]
                return [await first.read(), (await first.text()).encode(), b"".join(chunks)]

        injecting = self.inject(Fault(FaultKind.BODY, edit=edit))
        reply = Reply(body=body)
        if encoded:
            reply = Reply(headers={"Content-Encoding": "gzip"}, body=gzip.compress(body))
        with answering(lambda _: reply) as url:
            assert self.ask(use, url) == [seen] * 3
        assert [outcome.injected is not None for outcome in injecting.saw] == [seen != body] * 2

    def test_a_body_that_is_to_be_edited_and_breaks_off_is_told_to_who_reads_it(self) -> None:
        async def use(session: aiohttp.ClientSession, url: str) -> object:
            async with session.get(url) as response:
                try:
                    return await response.read()
                except aiohttp.ClientError as error:
                    return chain(error)

        broken = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nbroken"
        with answering(lambda _: broken) as url:
            real = self.ask(use, url)
            injecting = self.inject(Fault(FaultKind.BODY, edit="null a"))
            assert self.ask(use, url) == real
        assert injecting.saw[0].injected is None

    def test_a_limit_of_time_holds_for_a_body_that_is_to_be_edited(self) -> None:
        self.inject(Fault(FaultKind.BODY, edit="null a"))
        with breaking_off() as url:
            error = failure(lambda: self.ask(get, url, timeout=aiohttp.ClientTimeout(total=0.1)))
        assert type(error) is TimeoutError

    def test_a_body_cannot_be_changed_where_none_came(self) -> None:
        injecting = self.inject(Fault(FaultKind.BODY, body=b"changed"))
        with answering(lambda _: Reply()) as url:
            assert self.ask(get, url) == b"done"
        assert injecting.saw[0].injected is None

    def test_a_fault_that_is_none_leaves_the_answer(self) -> None:
        self.then(raising("Nothing"))
        with answering(lambda _: Reply(body=b"x" * 70_000)) as url:
            assert outcome_of(lambda: self.ask(get, url)) == b"x" * 70_000
