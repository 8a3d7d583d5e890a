"""shop: takes an order: counts the stock, chooses the cheapest carrier, confirms by mail.

The stock is counted by gRPC in a pool of threads, all carriers are asked at once, and a worker
sends the mail: the order waits in a queue until its turn comes.

BUG: when mail takes too long, aiohttp raises a TimeoutError, which is none of its ClientErrors. Who
starts it with LATE=expected has that fixed.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import grpc
from aiohttp import web

import baggage

BASKET = ("tea", "honey")
CARRIERS = ("BIKE_URL", "VAN_URL")
Letter = tuple[str, asyncio.Future[None]]

baggage.instrument()
pool = ThreadPoolExecutor(4)
stock = grpc.insecure_channel(urlsplit(os.environ["STOCK_URL"]).netloc)
SESSION = web.AppKey("session", aiohttp.ClientSession)
LETTERS = web.AppKey("letters", asyncio.Queue[Letter])

EXPECTED: tuple[type[Exception], ...] = (aiohttp.ClientError,)
if os.environ.get("LATE") == "expected":
    EXPECTED = (*EXPECTED, TimeoutError)


async def health_check(_: web.Request) -> web.Response:
    return web.Response(text="OK")


async def order(request: web.Request) -> web.Response:
    loop = asyncio.get_running_loop()
    left = await asyncio.gather(*(loop.run_in_executor(pool, count, item) for item in BASKET))
    if None in left:
        return web.Response(status=503, text="nobody knows what is left")
    session = request.app[SESSION]
    quotes = await asyncio.gather(*(quote(session, carrier) for carrier in CARRIERS))
    offers = [cents for cents in quotes if cents is not None]
    if not offers:
        return web.Response(status=503, text="nobody delivers")
    sent: asyncio.Future[None] = loop.create_future()
    await request.app[LETTERS].put((f"for {min(offers)} cents", sent))
    try:
        await sent
    except EXPECTED:
        return web.Response(status=201, text=f"ordered, {min(offers)} cents, no letter")
    return web.Response(status=201, text=f"ordered, {min(offers)} cents")


def count(item: str) -> int | None:
    try:
        return int(stock.unary_unary("/shop.Stock/Count")(item.encode(), timeout=5))
    except grpc.RpcError:
        return None


async def quote(session: aiohttp.ClientSession, carrier: str) -> Any:
    try:
        async with session.get(f"{os.environ[carrier]}/quote") as answer:
            answer.raise_for_status()
            return (await answer.json())["cents"]
    except (aiohttp.ClientError, TimeoutError):
        return None


async def work(app: web.Application) -> None:
    while True:
        text, sent = await app[LETTERS].get()
        failure = await send(app[SESSION], text)
        if sent.done():  # a letter that came twice
            continue
        if failure is None:
            sent.set_result(None)
        else:
            sent.set_exception(failure)


async def send(session: aiohttp.ClientSession, text: str) -> Exception | None:
    try:
        async with session.post(f"{os.environ['MAIL_URL']}/letters", data=text) as answer:
            answer.raise_for_status()
    except Exception as error:  # noqa: BLE001 - whoever waits shall know, whatever it is
        return error
    return None


async def run(app: web.Application) -> AsyncIterator[None]:
    app[LETTERS] = asyncio.Queue()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        app[SESSION] = session
        worker = asyncio.create_task(work(app))
        yield
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.get("/health-check", health_check), web.post("/orders", order)])
    app.cleanup_ctx.append(run)
    web.run_app(app, sock=socket.socket(fileno=int(os.environ["SERVICE_FD"])))
