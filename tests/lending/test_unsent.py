"""What adapters know of requests that never left: connections that nobody took."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, ClassVar

import aiohttp
import httpx
import pytest
import requests
import urllib3

from baggage.context import Branch, attached, pack, unpack
from baggage.instrumentation import aiohttp as aiohttp_
from baggage.instrumentation import httpx as httpx_
from baggage.instrumentation import requests as requests_
from baggage.instrumentation import urllib3 as urllib3_
from baggage.testing._lending import LENDING, owned
from baggage.testing.suite import InstrumentationSuite, failure
from baggage.values import EMPTY
from tests.instrumentation.real_faults import full

Send = Callable[[str], Any]
NOBODY = "http://nobody.invalid/"


class Unsent(InstrumentationSuite):
    @pytest.fixture
    def here(self) -> Iterator[Branch]:
        self.boundary.configure(LENDING)
        with attached(EMPTY.pack("n", 0)) as running:
            yield running

    def send(self, url: str) -> Any:
        """Make a call that waits a moment for a connection."""
        raise NotImplementedError

    def test_ids_come_home_from_a_connection_that_took_too_long(self, here: Branch) -> None:
        with full() as url:
            failure(lambda: self.send(url))
        pack("n", 1)
        assert unpack("n") == (0, 1)
        assert owned(here) == [1]

    def test_ids_come_home_from_a_host_that_nobody_knows(
        self, here: Branch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unknown(monkeypatch)
        failure(lambda: self.send(NOBODY))
        pack("n", 1)
        assert unpack("n") == (0, 1)
        assert owned(here) == [1]


def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no name known, without asking anybody."""
    import socket

    def refuse(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


class TestRequests(Unsent):
    instrumentation: ClassVar[ModuleType] = requests_

    def send(self, url: str) -> Any:
        return requests.get(url, timeout=(0.05, 20))


class TestUrllib3(Unsent):
    instrumentation: ClassVar[ModuleType] = urllib3_

    def send(self, url: str) -> Any:
        with urllib3.PoolManager() as manager:
            timeout = urllib3.Timeout(connect=0.05, read=20)
            return manager.request("GET", url, timeout=timeout, retries=False)


class TestHttpx(Unsent):
    instrumentation: ClassVar[ModuleType] = httpx_

    def send(self, url: str) -> Any:
        return httpx.get(url, timeout=httpx.Timeout(20, connect=0.05))


class TestAiohttp(Unsent):
    instrumentation: ClassVar[ModuleType] = aiohttp_

    def send(self, url: str) -> Any:
        async def ask() -> None:
            timeout = aiohttp.ClientTimeout(sock_connect=0.05)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                await session.get(url)

        asyncio.run(ask())
