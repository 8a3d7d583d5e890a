"""Self-tests of HTTP clients: each asks a service of ours."""

from __future__ import annotations

import asyncio
from http.client import HTTPConnection
from urllib.parse import urlsplit

from baggage.doctor.probes.loopback import PATIENCE, service
from baggage.doctor.probes.probe import Peers


def by_requests(_: Peers) -> str:
    """Ask by a session."""
    import requests

    with service() as url, requests.Session() as session:
        session.trust_env = False  # no proxy is asked for this machine
        return session.get(url, timeout=PATIENCE).text


def by_urllib3(_: Peers) -> str:
    """Ask by a pool."""
    import urllib3

    with service() as url, urllib3.PoolManager() as pool:
        return pool.request("GET", url, timeout=PATIENCE, retries=False).data.decode()


def by_http_client(_: Peers) -> str:
    """Ask over a connection."""
    with service() as url:
        connection = HTTPConnection("127.0.0.1", urlsplit(url).port or 0, timeout=PATIENCE)
        connection.request("GET", "/")
        text = connection.getresponse().read().decode()
        connection.close()
    return text


def by_httpx(_: Peers) -> str:
    """Ask by a function."""
    import httpx

    with service() as url:
        return httpx.get(url, timeout=PATIENCE, trust_env=False).text


def by_httpx2(_: Peers) -> str:
    """Ask by a function."""
    import httpx2

    with service() as url:
        return httpx2.get(url, timeout=PATIENCE, trust_env=False).text


def by_aiohttp(_: Peers) -> str:
    """Ask by a session."""
    import aiohttp

    async def ask(url: str) -> str:
        limit = aiohttp.ClientTimeout(PATIENCE)
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url) as answer:
            return await answer.text()

    with service() as url:
        return asyncio.run(ask(url))
