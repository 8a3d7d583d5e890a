"""carrier: says what it takes for a parcel. It runs as bike and as van."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

from aiohttp import web

NAME = sys.argv[1]
CENTS, SECONDS = {"bike": (350, 0.01), "van": (600, 0.03)}[NAME]


async def health_check(_: web.Request) -> web.Response:
    return web.Response(text="OK")


async def offer(_: web.Request) -> web.Response:
    await asyncio.sleep(SECONDS)
    return web.json_response({"by": NAME, "cents": CENTS})


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.get("/health-check", health_check), web.get("/offer", offer)])
    web.run_app(app, sock=socket.socket(fileno=int(os.environ["SERVICE_FD"])))
