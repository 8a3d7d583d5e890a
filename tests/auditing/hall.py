"""A real service by aiohttp, in audit mode. Run as a script; says its own port on a line."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

import baggage
from tests.auditing.report import report


async def findings(request: web.Request) -> web.Response:
    return web.json_response(json.loads(report()))


async def main() -> None:
    baggage.instrument(service="hall")
    app = web.Application()
    app.router.add_get("/findings", findings)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201 - to whoever started this
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
