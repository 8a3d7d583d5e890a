"""freight: knows which carrier is the cheapest; without any, books are picked up at the desk."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web

CARRIERS = ("bike", "van")
PICKUP = {"by": None, "cents": 0}

SESSION = web.AppKey("session", aiohttp.ClientSession)


async def health_check(_: web.Request) -> web.Response:
    return web.Response(text="OK")


async def quote(request: web.Request) -> web.Response:
    asked = (offer(request.app[SESSION], carrier) for carrier in CARRIERS)
    offers = [each for each in await asyncio.gather(*asked) if each is not None]
    return web.json_response(min(offers, key=lambda each: each["cents"], default=PICKUP))


async def offer(session: aiohttp.ClientSession, carrier: str) -> Any:
    try:
        async with session.get(f"{os.environ[carrier.upper() + '_URL']}/offer") as answer:
            answer.raise_for_status()
            return await answer.json()
    except (aiohttp.ClientError, TimeoutError):
        return None


async def parcel(_: web.Request) -> web.Response:
    return web.Response(status=202, text="will be fetched")


async def run(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        app[SESSION] = session
        yield


if __name__ == "__main__":
    app = web.Application()
    app.add_routes(
        [
            web.get("/health-check", health_check),
            web.get("/quote", quote),
            web.post("/parcels", parcel),
        ]
    )
    app.cleanup_ctx.append(run)
    web.run_app(app, sock=socket.socket(fileno=int(os.environ["SERVICE_FD"])))
