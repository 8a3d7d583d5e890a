"""A service of aiohttp that packs, in tasks too, and passes each request on."""

import asyncio

from aiohttp import ClientSession, web

import baggage


async def seen() -> None:
    await asyncio.sleep(0)
    for tenant in baggage.unpack("tenant"):
        baggage.pack("seen", f"{tenant!s} by a task")


async def forward(request: web.Request) -> web.Response:
    baggage.pack("hops", "aiohttp")
    await asyncio.gather(seen(), asyncio.create_task(seen()))
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
