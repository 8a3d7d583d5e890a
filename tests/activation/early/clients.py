"""Clients that were imported, subclassed and made before the process is activated."""

# ruff: noqa: E402, I001 - the order of imports is what this is about

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import httpx
import httpx2
import urllib3
from aiohttp import ClientSession
from aiohttp import request as aiohttp_request
from httpx import AsyncClient, Client
from httpx import get as httpx_get
from requests import Session, get
from requests.adapters import HTTPAdapter
from requests.api import request


class OwnSession(Session):
    def send(self, *args: Any, **kwargs: Any) -> Any:
        return super().send(*args, **kwargs)


class OwnAdapter(HTTPAdapter):
    def send(self, *args: Any, **kwargs: Any) -> Any:
        return super().send(*args, **kwargs)


class OwnTransport(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return super().handle_request(request)


session = OwnSession()
session.mount("http://", OwnAdapter())
bound = session.get
pool = urllib3.PoolManager()
client = Client(transport=OwnTransport(), timeout=300)
aclient = AsyncClient(timeout=300)
client2 = httpx2.Client(timeout=300)

import baggage.auto

import baggage
from baggage.testing import Origin, Reply


def by_http_client(url: str) -> None:
    connection = HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=300)
    connection.request("GET", "/")
    connection.getresponse().read()
    connection.close()


async def by_aiohttp(url: str) -> None:
    async with ClientSession() as asking, asking.get(url) as response:
        await response.read()


async def by_aiohttp_request(url: str) -> None:
    async with aiohttp_request("GET", url) as response:
        await response.read()


CLIENTS: dict[str, Callable[[str], object]] = {
    "requests.get": lambda url: get(url, timeout=300),
    "requests.request": lambda url: request("GET", url, timeout=300),
    "requests.Session": lambda url: session.get(url, timeout=300),
    "a bound method": lambda url: bound(url, timeout=300),
    "urllib3.PoolManager": lambda url: pool.request("GET", url),
    "urlopen": lambda url: urlopen(url, timeout=300).read(),
    "http.client": by_http_client,
    "httpx.get": lambda url: httpx_get(url, timeout=300),
    "httpx.Client": client.get,
    "httpx.AsyncClient": lambda url: asyncio.run(aclient.get(url)),
    "httpx2.Client": client2.get,
    "aiohttp.ClientSession": lambda url: asyncio.run(by_aiohttp(url)),
    "aiohttp.request": lambda url: asyncio.run(by_aiohttp_request(url)),
}


def carried(ask: Callable[[str], object]) -> list[bool]:
    """Return whether each request of a client carried baggage."""
    known = baggage.Baggage().pack("n", 1)
    with Origin(lambda _: Reply()).serving() as origin, baggage.attached(known):
        ask(origin.url)
    return [bool(received.baggage) for received in origin.received]


json.dump({name: carried(ask) for name, ask in CLIENTS.items()}, sys.stdout)
