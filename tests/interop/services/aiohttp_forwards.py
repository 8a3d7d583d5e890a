"""A service of aiohttp that passes each request on; it knows nothing of baggage."""

import asyncio

from aiohttp import ClientSession, web


async def forward(request: web.Request) -> web.Response:
    async with ClientSession() as session, session.get(request.query["to"]) as answer:
        return web.Response(text=await answer.text())


async def main() -> None:
    app = web.Application()
    app.router.add_get("/", forward)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201
    await asyncio.Event().wait()


asyncio.run(main())
