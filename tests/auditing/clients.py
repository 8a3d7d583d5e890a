"""Packs, and asks by each client library what its answer's receipt tells, in audit mode.

Run as a script with the address of an HTTP service, and the port of a plain one of gRPC. Prints the
problems by library.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

import aiohttp
import httpx
import httpx2
import requests
import urllib3

import baggage
from tests.auditing.rpc import awaiting, calling, serve

OTHER, PLAIN = sys.argv[1], int(sys.argv[2])
PEER = str(urlsplit(OTHER).netloc)


def by_requests() -> None:
    requests.get(OTHER, timeout=300)


def by_urllib3() -> None:
    with urllib3.PoolManager() as pool:
        pool.request("GET", OTHER)


def by_http_client() -> None:
    connection = HTTPConnection(PEER, timeout=300)
    connection.request("GET", str(urlsplit(OTHER).path))
    connection.getresponse().read()
    connection.close()


def by_httpx() -> None:
    with httpx.Client(timeout=300) as client:
        client.get(OTHER)


def by_httpx2() -> None:
    with httpx2.Client(timeout=300) as client:
        client.get(OTHER)


def by_aiohttp() -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as session, session.get(OTHER) as response:
            await response.read()

    asyncio.run(ask())


def main() -> None:
    baggage.instrument(service="clients")
    server, port = serve(ThreadPoolExecutor(2))
    http = [by_requests, by_urllib3, by_http_client, by_httpx, by_httpx2, by_aiohttp]
    asking: dict[str, Callable[[], None]] = {it.__name__: it for it in http}
    asking["grpc"], asking["grpc that fails"] = calling(port), calling(port, b"fail")
    asking["grpc.aio"] = lambda: asyncio.run(awaiting(port))
    asking["grpc, plain"], asking["grpc, plain, that fails"] = (
        calling(PLAIN),
        calling(PLAIN, b"fail"),
    )
    asking["grpc.aio, plain"] = lambda: asyncio.run(awaiting(PLAIN))
    audit = baggage.audit()
    told = {}
    for name, ask in asking.items():
        audit.clear()
        with baggage.request_scope(name):
            baggage.pack("asked", name)
            ask()
            baggage.pack("asked", name)
        told[name] = [f"{it.problem.value} {it.service}".strip() for it in audit.findings]
    print(json.dumps(told))  # noqa: T201 - to whoever started this
    server.stop(None)


if __name__ == "__main__":
    main()
