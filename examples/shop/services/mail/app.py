"""mail: sends letters."""

from __future__ import annotations

import os
import socket

from aiohttp import web

import baggage

baggage.instrument()


async def health_check(_: web.Request) -> web.Response:
    return web.Response(text="OK")


async def send(_: web.Request) -> web.Response:
    return web.Response(status=202, text="will be sent")


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.get("/health-check", health_check), web.post("/letters", send)])
    web.run_app(app, sock=socket.socket(fileno=int(os.environ["SERVICE_FD"])))
