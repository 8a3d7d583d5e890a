"""httpx and httpx2, each of their clients and spellings, keep what every HTTP client has to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

import httpx
import httpx2
import pytest

from baggage.boundary import Fault, FaultKind
from baggage.instrumentation import httpx as instrumentation
from baggage.instrumentation import httpx2 as instrumentation2
from baggage.testing.http_client import HttpClientSuite, Send

LIMIT = 300
TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # Nothing is asked over TLS; real ones load long.
HASTE = 0.05
ATTEMPTS = 3


class TestGet(HttpClientSuite):
    instrumentation: ClassVar = instrumentation
    api: ClassVar[Any] = httpx

    def sender(self) -> Send:
        return self.sender_with({})

    def sender_with(self, headers: Mapping[str, str]) -> Send:
        return lambda url: self.api.get(
            url, timeout=LIMIT, headers=headers, follow_redirects=True, verify=TRUST
        )

    def hasty(self) -> Send:
        return lambda url: self.api.get(url, timeout=HASTE, verify=TRUST)

    def retrying(self) -> Send:
        api = self.api

        class Retrying(api.BaseTransport):  # type: ignore[misc,name-defined]
            """A transport of an application."""

            def __init__(self) -> None:
                self._wire = api.HTTPTransport(verify=TRUST)

            def handle_request(self, request: Any) -> Any:
                for _ in range(ATTEMPTS - 1):
                    response = self._wire.handle_request(request)
                    if response.status_code != 503:
                        return response
                    response.close()
                return self._wire.handle_request(request)

            def close(self) -> None:
                self._wire.close()

        def send(url: str) -> Any:
            with api.Client(transport=Retrying(), timeout=LIMIT) as client:
                return client.get(url)

        return send

    def streaming(self) -> Callable[[str], Iterator[bytes]]:
        def stream(url: str) -> Iterator[bytes]:
            with self.api.stream("GET", url, timeout=LIMIT, verify=TRUST) as response:
                yield from response.iter_raw()

        return stream


class TestClient(TestGet):
    """One client for all calls, whose requests are sent by hand."""

    clients: ExitStack

    @pytest.fixture(autouse=True)
    def _clients(self) -> Iterator[None]:
        with ExitStack() as self.clients:
            yield

    def sender_with(self, headers: Mapping[str, str]) -> Send:
        client = self.api.Client(headers=headers, timeout=LIMIT, verify=TRUST)
        self.clients.enter_context(client)

        def send(url: str) -> Any:
            return client.send(client.build_request("POST", url, json={}), follow_redirects=True)

        return send


class TestAsyncClient(TestGet):
    """A client of an event loop, and a loop for each call."""

    faults = (*HttpClientSuite.faults, Fault(FaultKind.CANCELLED))

    def sender_with(self, headers: Mapping[str, str]) -> Send:
        return self.asking(lambda client, url: client.get(url, headers=headers))

    def hasty(self) -> Send:
        return self.asking(lambda client, url: client.get(url, timeout=HASTE))

    def asking(self, ask: Callable[[Any, str], Awaitable[Any]]) -> Send:
        async def send(url: str) -> Any:
            async with self.api.AsyncClient(
                timeout=LIMIT, follow_redirects=True, verify=TRUST
            ) as client:
                return await ask(client, url)

        return lambda url: here(send(url))

    def retrying(self) -> Send:
        api = self.api

        class Retrying(api.AsyncHTTPTransport):  # type: ignore[misc,name-defined]
            """A transport of an application."""

            async def handle_async_request(self, request: Any) -> Any:
                for _ in range(ATTEMPTS - 1):
                    response = await super().handle_async_request(request)
                    if response.status_code != 503:
                        return response
                    await response.aclose()
                return await super().handle_async_request(request)

        async def send(url: str) -> Any:
            async with api.AsyncClient(transport=Retrying(verify=TRUST), timeout=LIMIT) as client:
                return await client.get(url)

        return lambda url: here(send(url))

    def streaming(self) -> Callable[[str], Iterator[bytes]]:
        async def chunks(url: str) -> AsyncIterator[bytes]:
            async with (
                self.api.AsyncClient(timeout=LIMIT, verify=TRUST) as client,
                client.stream("GET", url) as response,
            ):
                async for chunk in response.aiter_raw():
                    yield chunk

        return lambda url: stepwise(chunks(url))


class TestClient2(TestClient):
    instrumentation: ClassVar = instrumentation2
    api: ClassVar[Any] = httpx2


class TestAsyncClient2(TestAsyncClient):
    instrumentation: ClassVar = instrumentation2
    api: ClassVar[Any] = httpx2


def here(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in the caller's context."""
    with asyncio.Runner() as runner:
        return runner.run(work)


def stepwise(chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
    """Iterate in a loop that runs as long as it takes for the next one."""
    loop = asyncio.new_event_loop()
    try:
        while (chunk := loop.run_until_complete(anext(chunks, None))) is not None:
            yield chunk
    finally:
        loop.run_until_complete(chunks.aclose())  # type: ignore[attr-defined]
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
