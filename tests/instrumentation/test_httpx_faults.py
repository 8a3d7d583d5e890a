"""An injected fault of httpx is told from a real one by nothing that an application can see."""

from __future__ import annotations

import asyncio
import pickle
import re
import ssl
from collections.abc import Callable
from typing import Any, ClassVar

import httpx
import httpx2
import pytest

from baggage.boundary import Fault, FaultKind, Inject
from baggage.instrumentation import httpx as instrumentation
from baggage.instrumentation import httpx2 as instrumentation2
from baggage.testing import HANG, RESET, Reply, Scripted
from baggage.testing.suite import InstrumentationSuite, chain, failure
from tests.instrumentation.real_faults import answering, full, refusing

REFUSED = Fault(FaultKind.REFUSED)
TIMEOUT = Fault(FaultKind.TIMEOUT)
RESETTING = Fault(FaultKind.RESET)
SHORT = 0.05
LIMIT = 300.0
NOBODY = "http://127.0.0.1:1/"
TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

LOOPS = pytest.mark.parametrize("loop", [False, True], ids=["plain", "loop"])


def unaddressed(text: str) -> str:
    return re.sub(r"', \d+\)|cancel scope[^']*|0x[0-9a-f]+", "…", text)


def shown(error: BaseException) -> list[object]:
    """Return all that an application can see of an exception, but ports and addresses."""
    links: list[object] = list(chain(error))
    link: BaseException | None = error
    while link is not None:
        links += [unaddressed(str(link)), unaddressed(repr(link)), sorted(vars(link))]
        links += [getattr(link, "errno", None), link.__suppress_context__]
        link = link.__cause__ or link.__context__
    request: Any = error.request  # type: ignore[attr-defined]
    return [*links, type(request), request.method, str(request.url), dict(request.headers)]


class TestFaults(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation
    api: ClassVar[Any] = httpx

    def inject(self, fault: Fault) -> Scripted:
        scripted = Scripted(Inject(fault))
        self.boundary.register(scripted)
        return scripted

    def raising(self, name: str) -> Fault:
        return Fault(FaultKind.RAISE, name=f"{self.api.__name__}.{name}")

    def ask(self, loop: bool, url: str, timeout: Any = LIMIT, **options: Any) -> Any:
        """Make a call; the answer is closed, and the client."""
        options = {"json": {"a": 1}, **options}
        client: dict[str, Any] = {"timeout": timeout, "verify": TRUST}
        if not loop:
            with self.api.Client(**client) as plain:
                return plain.post(url, **options)

        async def send() -> Any:
            async with self.api.AsyncClient(**client) as looping:
                return await looping.post(url, **options)

        return asyncio.run(send())

    def injected(self, fault: Fault, loop: bool, url: str) -> list[object]:
        scripted = self.inject(fault)
        found = shown(failure(lambda: self.ask(loop, url)))
        assert scripted.saw[0].injected == fault
        self.boundary.unregister(scripted.name)
        return found

    @LOOPS
    @pytest.mark.parametrize("name", ["", "ConnectError"])
    def test_a_refused_connection(self, loop: bool, name: str) -> None:
        with refusing() as url:
            real = shown(failure(lambda: self.ask(loop, url)))
            assert self.injected(self.raising(name) if name else REFUSED, loop, url) == real

    @LOOPS
    @pytest.mark.parametrize("name", ["", "ReadTimeout", "TimeoutException"])
    def test_a_timeout(self, loop: bool, name: str) -> None:
        with answering(HANG) as url:
            limits = self.api.Timeout(LIMIT, read=SHORT)
            real = shown(failure(lambda: self.ask(loop, url, limits)))
            assert self.injected(self.raising(name) if name else TIMEOUT, loop, url) == real

    @LOOPS
    @pytest.mark.parametrize("name", ["", "ReadError"])
    def test_a_reset_connection(self, loop: bool, name: str) -> None:
        with answering(RESET) as url:
            real = shown(failure(lambda: self.ask(loop, url)))
            assert self.injected(self.raising(name) if name else RESETTING, loop, url) == real

    @LOOPS
    def test_a_connection_that_is_never_accepted(self, loop: bool) -> None:
        with full() as url:
            limits = self.api.Timeout(LIMIT, connect=SHORT)
            real = shown(failure(lambda: self.ask(loop, url, limits)))
            assert self.injected(self.raising("ConnectTimeout"), loop, url) == real

    @LOOPS
    def test_a_connection_that_ends_without_an_answer(self, loop: bool) -> None:
        with answering(lambda _: b"") as url:
            real = shown(failure(lambda: self.ask(loop, url)))
            assert self.injected(self.raising("RemoteProtocolError"), loop, url) == real

    @LOOPS
    @pytest.mark.parametrize("status", [200, 204, 302, 404, 503, 599])
    def test_a_status(self, loop: bool, status: int) -> None:
        body = b"" if status == 204 else b"not json"
        with answering(Reply(status, body=body)) as url:
            self.switch.on = False
            real = self.ask(loop, url)
            self.switch.on = True
            self.inject(Fault(FaultKind.STATUS, status=status, body=body))
            fake = self.ask(loop, url)
        for look in LOOKS:
            assert told(look, fake) == told(look, real), look

    @LOOPS
    def test_a_status_of_a_stream(self, loop: bool) -> None:
        self.inject(Fault(FaultKind.STATUS, status=503, body=b"no"))

        async def ask() -> bytes:
            async with (
                self.api.AsyncClient(verify=TRUST) as client,
                client.stream("GET", NOBODY) as response,
            ):
                return b"".join([chunk async for chunk in response.aiter_raw()])

        def ask_plainly() -> bytes:
            with self.api.stream("GET", NOBODY, verify=TRUST) as response:
                return b"".join(response.iter_raw())

        assert (asyncio.run(ask()) if loop else ask_plainly()) == b"no"

    @LOOPS
    @pytest.mark.parametrize("status", [0, 503])
    def test_an_https_address(self, loop: bool, status: int) -> None:
        with refusing() as url:
            url = url.replace("http:", "https:")
            if status:
                self.inject(Fault(FaultKind.STATUS, status=status))
                assert self.ask(loop, url).status_code == status
            else:
                real = shown(failure(lambda: self.ask(loop, url)))
                assert self.injected(REFUSED, loop, url) == real

    @LOOPS
    @pytest.mark.parametrize(
        ("name", "cause"),
        [
            ("PoolTimeout", True),
            ("WriteTimeout", True),
            ("WriteError", True),
            ("ProxyError", True),
            ("UnsupportedProtocol", True),
            ("LocalProtocolError", True),
            ("TooManyRedirects", False),
            ("DecodingError", False),
        ],
    )
    def test_an_exception_by_name(self, loop: bool, name: str, cause: bool) -> None:
        self.inject(self.raising(name))
        error: Any = failure(lambda: self.ask(loop, NOBODY))
        assert type(error) is getattr(self.api, name)
        assert str(error.request.url) == NOBODY
        assert (type(error.__cause__).__name__ == name) is cause

    @LOOPS
    @pytest.mark.parametrize(
        "name", ["InvalidURL", "HTTPStatusError", "StreamConsumed", "Client", "Nothing", ""]
    )
    def test_what_no_call_raises_is_not_enacted(self, loop: bool, name: str) -> None:
        self.unenacted(self.raising(name), loop)

    @LOOPS
    @pytest.mark.parametrize(
        "fault",
        [
            Fault(FaultKind.RAISE, name="os.system"),
            Fault(FaultKind.RAISE),
            Fault(FaultKind.STATUS),
            Fault(FaultKind.STATUS, status=100),
            Fault(FaultKind.BODY, body=b"x"),
        ],
    )
    def test_what_httpx_never_does_is_not_enacted(self, loop: bool, fault: Fault) -> None:
        self.unenacted(fault, loop)

    def test_only_a_task_is_cancelled(self) -> None:
        self.unenacted(Fault(FaultKind.CANCELLED), loop=False)

    def unenacted(self, fault: Fault, loop: bool) -> None:
        scripted = self.inject(fault)
        with answering(Reply()) as url:
            assert self.ask(loop, url).status_code == 200
        assert scripted.saw[0].injected is None

    @LOOPS
    def test_a_body_that_only_a_loop_can_read_is_left_alone(self, loop: bool) -> None:
        self.inject(Fault(FaultKind.STATUS, status=503))

        async def chunks() -> Any:
            await asyncio.sleep(0.001)
            yield b"a"

        content = chunks() if loop else iter([b"a"])
        assert self.ask(loop, NOBODY, json=None, content=content).status_code == 503

    @LOOPS
    @pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
    def test_a_changed_body_is_what_the_application_reads(
        self, loop: bool, headers: dict[str, str]
    ) -> None:
        changed = Fault(FaultKind.BODY, body=b'{"b": 2}')
        self.boundary.register(Scripted(then=changed))
        body = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"
        with answering(Reply(404, headers, body)) as url:
            response = self.ask(loop, url)
        assert (response.status_code, response.json()) == (404, {"b": 2})
        assert response.headers["content-length"] == "8"

    def test_hooks_and_cookies_are_as_ever(self) -> None:
        self.inject(Fault(FaultKind.STATUS, status=503))
        seen: list[object] = []
        hooks = {"response": [lambda response: seen.append(response.read())]}
        with self.api.Client(event_hooks=hooks, verify=TRUST) as client:
            request = client.build_request("GET", NOBODY)
            assert client.send(request).request is request
        assert seen == [b""]


class TestFaults2(TestFaults):
    instrumentation: ClassVar = instrumentation2
    api: ClassVar[Any] = httpx2


def told(look: Callable[[Any], object], response: Any) -> object:
    try:
        return look(response)
    except Exception as error:
        return (type(error), re.sub(r":\d+/", ":…/", str(error)))


LOOKS: list[Callable[[Any], object]] = [
    lambda it: (it.status_code, it.reason_phrase, it.is_success, it.is_redirect, it.http_version),
    lambda it: it.raise_for_status().status_code,
    lambda it: b"".join(it.iter_bytes(3)),
    lambda it: b"".join(it.iter_raw()),
    lambda it: (it.content, it.text, it.encoding, it.charset_encoding, [*it.iter_lines()]),
    lambda it: it.json(),
    lambda it: (it.history, dict(it.cookies), it.next_request, it.links),
    lambda it: (it.elapsed.total_seconds() > 0, it.num_bytes_downloaded),
    lambda it: (it.is_closed, it.is_stream_consumed, it.default_encoding),
    lambda it: (it.headers.get("content-length"), type(it.headers), str(it.url)),
    lambda it: (type(it.request), dict(it.request.headers)),
    lambda it: (type(it.stream), sorted(vars(it)), sorted(it.extensions)),
    lambda it: (pickle.loads(pickle.dumps(it)).content, pickle.loads(pickle.dumps(it)).status_code),
]
