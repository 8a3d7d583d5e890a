"""aiohttp's client, in each of its spellings, keeps what every HTTP client has to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import aiohttp
import pytest

from baggage.boundary import Fault, FaultKind
from baggage.instrumentation import aiohttp as instrumentation
from baggage.instrumentation._aiohttp import bodies
from baggage.testing.http_client import HttpClientSuite, Send
from tests.instrumentation.looping import Looping, looping

HASTE = aiohttp.ClientTimeout(total=0.05)


async def thrice(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Retry: a middleware of an application."""
    for _ in range(2):
        response = await handler(request)
        if response.status != 503:
            return response
        response.release()
    return await handler(request)


class TestPost(HttpClientSuite):
    """By POST, which aiohttp doesn't send again by itself when a connection breaks."""

    instrumentation: ClassVar = instrumentation
    faults = (*HttpClientSuite.faults, Fault(FaultKind.CANCELLED))
    method: ClassVar = "POST"

    looping: Looping

    @pytest.fixture(autouse=True)
    def _patient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let a body come late: a thread may get no turn for long."""
        monkeypatch.setattr(bodies, "_PATIENCE", 300.0)

    @pytest.fixture(autouse=True)
    def _looping(self, _clean: None) -> Iterator[None]:
        with looping() as self.looping:
            yield

    def sender(self) -> Send:
        return self.sender_with({})

    def sender_with(self, headers: Mapping[str, str]) -> Send:
        return self.sending(self.looping.session(), headers=headers)

    def hasty(self) -> Send:
        return self.sending(self.looping.session(), timeout=HASTE)

    def retrying(self) -> Send:
        return self.sending(self.looping.session(middlewares=[thrice]))

    def sending(self, session: aiohttp.ClientSession, **options: Any) -> Send:
        async def send(url: str) -> aiohttp.ClientResponse:
            response = await session.request(self.method, url, **options)
            await response.read()
            return response

        return lambda url: self.looping.run(send(url))

    def streaming(self) -> Callable[[str], Iterator[bytes]]:
        session = self.looping.session()

        async def begin(url: str) -> aiohttp.ClientResponse:
            return await session.request(self.method, url)

        def stream(url: str) -> Iterator[bytes]:
            response = self.looping.run(begin(url))
            while chunk := self.looping.run(response.content.readany()):
                yield chunk

        return stream

    def status(self, response: aiohttp.ClientResponse) -> int:
        return response.status

    def body(self, response: aiohttp.ClientResponse) -> bytes:
        return self.looping.run(response.read())


class TestSessionOptions(TestPost):
    """What the session says, and how the body is read in a block."""

    def sender_with(self, headers: Mapping[str, str]) -> Send:
        limits = aiohttp.ClientTimeout(sock_read=20)
        session = self.looping.session(headers=headers, raise_for_status=False, timeout=limits)

        async def send(url: str) -> aiohttp.ClientResponse:
            async with session.post(url, json={"a": 1}) as response:
                await response.text()
                return response

        return lambda url: self.looping.run(send(url))

    def hasty(self) -> Send:
        session = self.looping.session(timeout=aiohttp.ClientTimeout(sock_read=0.05))
        return self.sending(session, data=b"a")

    def body(self, response: aiohttp.ClientResponse) -> bytes:
        body = response._body
        assert body is not None
        return body


class TestShortcut(TestPost):
    """`aiohttp.request`, with a session for each call."""

    def sender_with(self, headers: Mapping[str, str]) -> Send:
        async def send(url: str) -> aiohttp.ClientResponse:
            async with aiohttp.request("POST", url, headers=headers) as response:
                await response.text()
                return response

        return lambda url: self.looping.run(send(url))

    body = TestSessionOptions.body


class TestOwnMiddlewares(TestPost):
    """Middlewares that an application gives a call, in the place of the session's."""

    def sender_with(self, headers: Mapping[str, str]) -> Send:
        async def add(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            request.headers.update(headers)
            return await handler(request)

        return self.sending(self.looping.session(), middlewares=[add])
