"""What applications do with the objects of httpx, beside calling."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import httpx
import httpx2
import pytest

from baggage.boundary import Fault, FaultKind, Inject, Kind, Raised, Returned, read_header
from baggage.context import attached, branch, ensure, pack, unpack
from baggage.instrumentation import httpx as instrumentation
from baggage.instrumentation import httpx2 as instrumentation2
from baggage.instrumentation._asgi import AsgiAdapter
from baggage.instrumentation._asgi_server import Served
from baggage.testing import Origin, Received, Recorder, Reply, Scripted
from baggage.testing.suite import InstrumentationSuite, failure, outcome_of
from baggage.values import EMPTY
from tests.versions import needs

LIMIT = 300
TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
BROKEN = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nbroken"


class TestObjects(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation
    api: ClassVar[Any] = httpx
    origin: Origin

    @pytest.fixture(autouse=True)
    def _origin(self, _clean: None) -> Iterator[None]:
        with Origin(lambda _: Reply()).serving() as self.origin:
            yield

    @pytest.fixture
    def client(self) -> Iterator[Any]:
        with self.api.Client(verify=TRUST, timeout=LIMIT, follow_redirects=True) as client:
            yield client

    def recorded(self) -> Recorder:
        recorder = Recorder(kinds=(Kind.CLIENT,))
        self.boundary.register(recorder)
        return recorder

    def carried(self) -> list[tuple[object, ...]]:
        return [read_header(each.baggage or "").unpack("n") for each in self.origin.received]

    def test_a_request_that_is_sent_again_carries_nothing_of_the_first_time(
        self, client: Any
    ) -> None:
        request = client.build_request("POST", self.origin.url, json={})
        before = dict(request.headers)
        with attached(EMPTY.pack("n", 1)):
            assert client.send(request).request is request
        client.send(request)
        with attached(EMPTY):
            client.send(request)
        assert self.carried() == [(1,), (), ()]
        assert [received.body for received in self.origin.received] == [b"{}"] * 3
        assert dict(request.headers) == before

    def test_a_request_may_be_sent_by_several_threads_at_a_time(self, client: Any) -> None:
        request = client.build_request("GET", self.origin.url)

        def send(n: int) -> None:
            with attached(EMPTY.pack("n", n)):
                for _ in range(5):
                    client.send(request)

        threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(self.carried()) == sorted([(n,) for n in range(4)] * 5)

    def test_64_tasks_over_one_client_keep_their_contexts_apart(self) -> None:
        def answer(received: Received) -> Reply:
            (mine,) = read_header(received.baggage or "").unpack("n")
            return Reply(body=str(mine).encode())

        self.origin.answer = answer

        async def ask(client: Any, n: int) -> int:
            with attached(EMPTY.pack("n", n)):
                return int((await client.get(self.origin.url)).text)

        async def ask_all() -> list[int]:
            limits = self.api.Limits(max_connections=4)  # The origin takes no crowd at once.
            async with self.api.AsyncClient(verify=TRUST, timeout=None, limits=limits) as client:
                return await asyncio.gather(*(ask(client, n) for n in range(64)))

        assert asyncio.run(ask_all()) == [*range(64)]

    def test_redirects_are_remembered_as_ever(self, client: Any) -> None:
        self.origin.answer = lambda _: (
            Reply(302, {"Location": "/there"}) if len(self.origin.received) == 1 else Reply()
        )
        pack("n", 1)
        response = client.get(self.origin.url)
        assert [each.status_code for each in response.history] == [302]
        assert str(response.request.url) == self.origin.url + "there"
        assert self.carried() == [(1,), (1,)]

    def test_an_authentication_that_calls_again_is_another_attempt(self, client: Any) -> None:
        def answer(received: Received) -> Reply:
            if "authorization" in received.headers:
                return Reply()
            return Reply(401, {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'})

        self.origin.answer = answer
        recorder = self.recorded()
        pack("n", 1)
        auth = self.api.DigestAuth("u", "p")
        assert client.get(self.origin.url, auth=auth).status_code == 200
        assert len(recorder.ended) == len(self.origin.received) == 2
        assert self.carried() == [(1,), (1,)]

    @pytest.mark.parametrize("loop", [False, True])
    def test_a_body_that_breaks_off_is_part_of_the_outcome(self, loop: bool, client: Any) -> None:
        self.origin.answer = lambda _: BROKEN
        recorder = self.recorded()
        seen: list[Any] = []

        async def see(response: Any) -> None:
            seen.append(response.status_code)

        async def ask() -> None:
            hooks = {"response": [see]}
            async with self.api.AsyncClient(
                verify=TRUST, timeout=LIMIT, event_hooks=hooks
            ) as looping:
                try:
                    await looping.get(self.origin.url)
                finally:
                    seen.append(dict(looping.cookies))

        def ask_plainly() -> None:
            client.event_hooks = {"response": [lambda it: seen.append(it.status_code)]}
            try:
                client.get(self.origin.url)
            finally:
                seen.append(dict(client.cookies))

        error: Any = failure(lambda: asyncio.run(ask()) if loop else ask_plainly())
        assert str(error.request.url) == self.origin.url
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert outcome.error is error
        assert type(error) is self.api.RemoteProtocolError
        assert type(error.__cause__).__name__ == "RemoteProtocolError"
        assert seen == [200, {"a": "b"}]

    @pytest.mark.parametrize("loop", [False, True])
    def test_a_body_is_known_as_the_application_reads_it(self, loop: bool, client: Any) -> None:
        packed = iter([gzip.compress(b"same", mtime=n) for n in (1, 2)])
        self.origin.answer = lambda _: Reply(200, {"Content-Encoding": "gzip"}, next(packed))
        recorder = self.recorded()

        async def ask() -> bytes:
            async with self.api.AsyncClient(verify=TRUST, timeout=LIMIT) as looping:
                content: bytes = (await looping.get(self.origin.url)).content
                return content

        for _ in range(2):
            content = asyncio.run(ask()) if loop else client.get(self.origin.url).content
            assert content == b"same"
        first, second = (each.outcome for each in recorder.ended)
        assert isinstance(first, Returned)
        assert isinstance(second, Returned)
        assert first.facts.digest() == second.facts.digest() is not None
        assert first.facts.size() == 4

    def test_a_body_that_cannot_be_decoded_is_part_of_the_outcome(self, client: Any) -> None:
        self.origin.answer = lambda _: Reply(200, {"Content-Encoding": "gzip"}, b"not packed")
        recorder = self.recorded()
        error: Any = failure(lambda: client.get(self.origin.url))
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert outcome.error is error
        assert type(error) is self.api.DecodingError

    def test_a_stream_says_nothing_of_its_body(self, client: Any) -> None:
        recorder = self.recorded()
        with client.stream("GET", self.origin.url) as response:
            outcome = recorder.ended[0].outcome
            assert isinstance(outcome, Returned)
            assert (outcome.facts.digest(), outcome.facts.size()) == (None, None)
            assert response.read() == b"done"

    def test_a_redirect_is_known_by_where_it_leads(self, client: Any) -> None:
        self.origin.answer = lambda received: Reply(302, {"Location": received.target + "/x"})
        recorder = self.recorded()
        for path in ("a", "a", "b"):
            client.get(self.origin.url + path, follow_redirects=False)
        outcomes = [each.outcome for each in recorder.ended]
        first, second, other = (it.facts.digest() for it in outcomes if isinstance(it, Returned))
        assert first == second != other

    @pytest.mark.parametrize(
        ("timeout", "seconds"),
        [({}, 5.0), ({"timeout": None}, None), ({"timeout": 3}, 3.0), ("read", 2.5)],
    )
    def test_how_long_a_call_waits_is_told(self, timeout: Any, seconds: float | None) -> None:
        recorder = self.recorded()
        if timeout == "read":
            timeout = {"timeout": self.api.Timeout(None, read=2.5)}
        outcome_of(lambda: self.api.get(self.origin.url, verify=TRUST, **timeout))
        assert recorder.ended[0].call.timeout == seconds

    def test_a_digest_of_what_is_asked_tells_bodies_and_queries_apart(self, client: Any) -> None:
        recorder = self.recorded()
        url = self.origin.url
        for query, content in (("", "a"), ("", b"a"), ("?q", "a"), ("", "b")):
            client.post(url + query, content=content)
        client.post(url, content=iter([b"a"]), headers={"Content-Length": "1"})
        first, second, longer, other, stream = (each.call.payload for each in recorder.ended)
        assert first == second is not None
        assert len({first, longer, other}) == 3
        assert stream is None

    def test_a_call_names_its_place_also_in_a_loop(self) -> None:
        recorder = self.recorded()

        async def asking() -> None:
            async with self.api.AsyncClient(verify=TRUST, timeout=LIMIT) as client:
                await client.get(self.origin.url + "a%20b?c=d")

        asyncio.run(asking())
        call = recorder.ended[0].call
        assert call.site.function.endswith("asking")
        assert (call.operation, call.method) == ("GET /a%20b", "get")
        assert call.arguments == {"url": self.origin.url + "a%20b?c=d"}

    def test_what_answers_in_this_process_is_called_as_well(self) -> None:
        seen: list[object] = []

        def answer(request: Any) -> Any:
            seen.append(read_header(request.headers.get("baggage", "")).unpack("n"))
            return self.api.Response(200, text=request.content.decode())

        pack("n", 1)
        recorder = self.recorded()
        transport = self.api.MockTransport(answer)
        with self.api.Client(transport=transport) as client:
            response = client.post("http://mocked/", content="asked")
            assert (response.text, "baggage" in response.request.headers) == ("asked", False)
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Returned)
        assert (seen, outcome.facts.size()) == ([(1,)], 5)
        self.boundary.register(Scripted(Inject(Fault(FaultKind.STATUS, status=503))))
        with self.api.Client(transport=transport) as client:
            assert client.get("http://mocked/").status_code == 503

    @pytest.mark.parametrize("raising", [False, True])
    def test_an_application_in_this_process_is_another_branch(self, raising: bool) -> None:
        inside: list[object] = []
        streamed: list[object] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            inside.extend((branch(), unpack("n")))
            pack("n", 2)
            if raising:
                raise LookupError("the application's own")
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"done"})

        async def body() -> Any:
            streamed.append(branch())
            yield b"asked"

        async def ask() -> None:
            served = Served(self.boundary, AsgiAdapter("asgi"), app)
            transport = self.api.ASGITransport(served)
            async with self.api.AsyncClient(transport=transport) as client:
                await client.post("http://here/", content=body())

        async def asking() -> object:
            with attached(EMPTY.pack("n", 1)) as mine:
                try:
                    await ask()
                except LookupError:
                    assert raising
                assert branch() is mine
                assert inside[0] is not mine
                assert inside[1:] == [(1,)]
                assert streamed == ([] if raising else [mine])
                return {*unpack("n")}

        assert asyncio.run(asking()) == ({1} if raising else {1, 2})

    def test_wsgi_applications_are_called_as_well(self) -> None:
        seen: list[object] = []

        def app(environ: Any, start_response: Any) -> list[bytes]:
            seen.append(read_header(environ["HTTP_BAGGAGE"]).unpack("n"))
            start_response("200 OK", [])
            return [b"done"]

        pack("n", 1)
        with self.api.Client(transport=self.api.WSGITransport(app)) as client:
            assert client.get("http://here/").content == b"done"
        assert seen == [(1,)]

    def test_a_transport_may_be_called_by_hand(self) -> None:
        recorder = self.recorded()
        ensure()
        request = self.api.Request("GET", self.origin.url)
        with self.api.HTTPTransport(verify=TRUST) as transport:
            response = transport.handle_request(request)
            assert response.read() == b"done"
            with pytest.raises(TypeError):
                transport.handle_request()
        assert recorder.ended[0].call.timeout is None


class TestObjects2(TestObjects):
    instrumentation: ClassVar = instrumentation2
    api: ClassVar[Any] = httpx2


@needs("httpx2", "2.9", "older versions have no alias")
def test_an_alias_is_instrumented_once() -> None:
    code = """
import baggage, httpx2
baggage.instrument("httpx", "httpx2")
httpx2.alias_httpx()
import httpx
assert httpx is httpx2
baggage.pack("n", 1)
seen = []
def answer(request):
    seen.append(request.headers.get_list("baggage"))
    return httpx.Response(200)
httpx.Client(transport=httpx.MockTransport(answer)).get("http://mocked/")
assert len(seen[0]) == 1, seen
depth, wrapped = 0, httpx.MockTransport.__dict__["handle_request"]
while (wrapped := getattr(wrapped, "__wrapped__", None)) is not None:
    depth += 1
assert depth == 1, depth
"""
    subprocess.run([sys.executable, "-c", code], check=True)
