"""Services of one shop, each a process of its own: `python -m tests.tracing.shop ROLE NAME URLS`.

A customer asks the shop (Flask, requests), that asks the catalog (aiohttp on both sides), and that
asks prices (aiohttp) and at once the stock (gRPC), which has no umbrellas. Each writes its port
when it serves.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import baggage

METHOD = "/shop.Stock/Count"


def shop(catalog: str) -> None:
    import requests
    from flask import Flask
    from werkzeug.serving import make_server

    app = Flask("shop")

    @app.get("/umbrellas")
    def umbrellas() -> str:
        return requests.get(f"{catalog}/umbrellas", timeout=300).text

    server = make_server("127.0.0.1", 0, app, threaded=True)
    _serves(server.port)
    server.serve_forever()


def catalog(prices: str, stock: str) -> None:
    import aiohttp
    import grpc
    from aiohttp import web

    async def price() -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{prices}/price") as answer:
            return await answer.text()

    async def count() -> str:
        async with grpc.aio.insecure_channel(stock.removeprefix("http://")) as channel:
            try:
                return (await channel.unary_unary(METHOD, _same, _same)(b"umbrella")).decode()
            except grpc.aio.AioRpcError as error:
                return error.code().name

    async def umbrellas(request: web.Request) -> web.Response:
        return web.Response(text=", ".join(await asyncio.gather(price(), count())))

    _run([web.get("/umbrellas", umbrellas)])


def prices() -> None:
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="12 €")

    _run([web.get("/price", answer)])


def stock() -> None:
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    def count(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.NOT_FOUND, f"no {request.decode()}")
        raise AssertionError

    service, method = METHOD.strip("/").split("/")
    handlers = {method: grpc.unary_unary_rpc_method_handler(count, _same, _same)}
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    _serves(port)
    server.wait_for_termination()


def customer(url: str) -> None:
    import requests

    sys.stdout.write(requests.get(f"{url}/umbrellas", timeout=300).text)


def _run(routes: list[object]) -> None:
    from aiohttp import web

    async def serve() -> None:
        app = web.Application()
        app.add_routes(routes)  # type: ignore[arg-type]
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _serves(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())


def _same(message: bytes) -> bytes:
    return message


def _serves(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


ROLES: dict[str, Callable[..., None]] = {
    role.__name__: role for role in (shop, catalog, prices, stock, customer)
}


def main() -> None:
    role, name, *urls = sys.argv[1:]
    baggage.instrument(service=name)
    ROLES[role](*urls)


if __name__ == "__main__":
    main()
