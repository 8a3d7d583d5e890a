"""A real service on an event loop under audit, which asks another one now and later.

Run as a script with the other one's address; says its own port on a line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

import baggage
from tests.auditing.report import report

OTHER = sys.argv[1]


async def ask() -> int:
    async with httpx.AsyncClient(timeout=300) as client:
        return (await client.get(OTHER)).status_code


class Worker:
    """A task that serves whoever leaves it something to do, by a way that nothing hooks."""

    def __init__(self) -> None:
        self.jobs: deque[asyncio.Future[int]] = deque()
        self.some = asyncio.Event()

    async def work(self) -> None:
        while True:
            await self.some.wait()
            self.some.clear()
            while self.jobs:
                done = self.jobs.popleft()
                async with httpx.AsyncClient(timeout=300) as client:
                    done.set_result((await client.get(OTHER)).status_code)  # served

    async def run(self) -> int:
        self.jobs.append(asyncio.get_running_loop().create_future())
        done = self.jobs[-1]
        self.some.set()
        return await done


class State:
    """What lives as long as the service."""

    early: Worker
    lazy: Worker | None = None
    queue: asyncio.Queue[asyncio.Future[int]]
    tasks: ClassVar[list[Any]] = []
    timers: ClassVar[list[threading.Timer]] = []
    ticked = threading.Semaphore(0)


def keep(work: Any) -> None:
    State.tasks.append(asyncio.create_task(work))  # kept


async def early() -> int:
    return await State.early.run()


async def lazy() -> int:
    if State.lazy is None:
        State.lazy = Worker()
        keep(State.lazy.work())
    return await State.lazy.run()


async def queued() -> int:
    done = asyncio.get_running_loop().create_future()
    await State.queue.put(done)
    return int(await done)


async def consume() -> None:
    while True:
        done = await State.queue.get()
        done.set_result(await ask())


async def gathered() -> int:
    return (await asyncio.gather(ask(), ask()))[0]


async def forgotten() -> int:
    keep(asyncio.sleep(0.05))
    keep(ask())
    return 200


async def timed() -> int:
    """Start a timer that starts the next one, for ever."""
    if not State.timers:
        tick()
    for _ in range(2):
        await asyncio.to_thread(State.ticked.acquire)
    return 200


def tick() -> None:
    httpx.get(OTHER, timeout=300)  # ticks
    State.ticked.release()
    timer = threading.Timer(0.02, tick)
    timer.daemon = True
    State.timers.append(timer)
    timer.start()


async def pack(number: int = 0) -> int:
    baggage.pack("n", number)
    await asyncio.sleep(0)
    baggage.pack("m", number)
    return 200


async def packing() -> int:
    """Pack in 64 tasks, and in what they start and give up."""
    baggage.pack("n", -1)
    return max(await asyncio.gather(*(mixed(number) for number in range(64))))


async def mixed(number: int) -> int:
    await pack(number)
    way = number % 8
    if way == 0:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(pack(number)) for _ in range(3)]
        return tasks[0].result()
    if way == 1:
        with suppress(TimeoutError):
            await asyncio.wait_for(given_up(), 0.01)
    if way == 2:
        await asyncio.to_thread(asyncio.run, pack(number))
    if way == 3:
        with suppress(ZeroDivisionError):
            await asyncio.gather(pack(number), broken())
    if way == 4:
        for done in asyncio.as_completed([pack(number), pack(number)]):
            await done
    if way == 5:
        finished, _ = await asyncio.wait([asyncio.create_task(pack(number))])
        return finished.pop().result()
    if way == 6:
        task = asyncio.create_task(given_up())
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    if way == 7:
        await asyncio.get_running_loop().run_in_executor(None, baggage.pack, "n", number)
    return await ask() if number < 8 else 200


async def broken() -> float:
    await pack()
    return 1 / 0


async def given_up() -> None:
    await pack()
    await asyncio.sleep(10)


async def streamed() -> AsyncIterator[str]:
    for number in range(3):
        await asyncio.create_task(pack(number))
        yield f"{number}"


async def unjoined() -> int:
    keep(pack())
    await asyncio.sleep(0.05)
    return 200


async def by(request: Request) -> Response:
    way = request.path_params["way"]
    if way == "background":
        return PlainTextResponse("200", background=BackgroundTask(twice))
    if way == "packed_later":
        baggage.pack("n", 1)
        later = BackgroundTask(packing)
        baggage.pack("n", 2)
        return PlainTextResponse("200", background=later)
    if way == "streamed":
        return StreamingResponse(streamed())
    return PlainTextResponse(str(await globals()[way]()))


async def twice() -> None:
    for _ in range(2):
        await ask()
        await asyncio.sleep(0.02)


async def findings(request: Request) -> Response:
    return JSONResponse(json.loads(report()))


@asynccontextmanager
async def life(app: Starlette) -> AsyncIterator[None]:
    State.early, State.queue = Worker(), asyncio.Queue()
    tasks = [asyncio.create_task(it) for it in (State.early.work(), consume())]
    yield
    for task in tasks:
        task.cancel()


class Server(uvicorn.Server):
    """Says where it listens."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)  # noqa: T201


if __name__ == "__main__":
    baggage.instrument(service="cafe")
    routes = [Route("/by/{way}", by), Route("/findings", findings)]
    app = Starlette(routes=routes, lifespan=life)
    Server(uvicorn.Config(app, port=0, log_level="critical")).run()
