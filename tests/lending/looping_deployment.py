"""Many services of one event loop that call one another over real sockets, for `test_services`.

As `deployment`, with Starlette behind uvicorn, called by httpx: in turn, by `gather`, in a group of
tasks, or by `wait_for`, which makes a task of each call.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from socket import create_server
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import baggage
from baggage.boundary import Policy
from baggage.runtime.runtime import Runtime
from baggage.runtime.settings import Settings
from tests.lending.deployment import LARGEST, told_of
from tests.lending.shapes import SHAPES

Calls = Sequence[Awaitable[object]]


async def in_turn(calls: Calls) -> None:
    for call in calls:
        await call


async def gathered(calls: Calls) -> None:
    await asyncio.gather(*calls)


async def grouped(calls: Calls) -> None:
    async def one(call: Awaitable[object]) -> None:
        await call

    async with asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(one(call))


async def waited_for(calls: Calls) -> None:
    for call in calls:
        await asyncio.wait_for(call, 60)


HOW: dict[str, Callable[[Calls], Awaitable[None]]] = {
    "in_turn": in_turn,
    "gathered": gathered,
    "grouped": grouped,
    "waited_for": waited_for,
}


@contextmanager
def serving(children: Sequence[Sequence[int]], how: str, headers: list[str]) -> Iterator[str]:
    """Serve all services, each by a path of its own."""
    listening = create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"

    async def view(request: Request) -> PlainTextResponse:
        number = int(request.path_params["number"])
        baggage.pack("n", number)
        async with httpx.AsyncClient(timeout=300) as client:

            async def call(child: int) -> None:
                answer = await client.get(f"{address}/{child}")
                headers.append(answer.headers["baggage"])

            await HOW[how]([call(child) for child in children[number]])
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/{number}", view)])
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join()


def main(shape: str, services: str, how: str) -> dict[str, Any]:
    """Make the request; return what came of it."""
    policy = Policy("ingress", strict=True, budget=LARGEST, lend=("127.0.0.1",))
    Runtime(Settings(policy, metaapps=frozenset())).instrument()
    headers: list[str] = []
    served = serving(SHAPES[shape](int(services)), how, headers)
    with served as address, baggage.attached(baggage.Baggage()) as running:
        # Who connects before the server accepts waits in the backlog.
        headers.append(httpx.get(f"{address}/0", timeout=300).headers["baggage"])
        return told_of(running.baggage, headers)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
