"""Threads, pools, loops, queues and processes that are there before the process is activated."""

# ruff: noqa: E402, I001 - the order of imports is what this is about

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import sys
from asyncio import Queue as AsyncQueue
from asyncio import create_task, gather, to_thread, wait_for
from asyncio import as_completed as first_task
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing import Pipe, Pool, Process
from multiprocessing.pool import ThreadPool
from queue import Queue
from subprocess import Popen, check_output, run
from threading import Event, Thread, Timer
from typing import Any

import uvloop
from gevent import spawn
from gevent.pool import Pool as Greenlets

LOOK = [sys.executable, "-c", "import baggage.auto, baggage; print([*baggage.unpack('n')])"]


def look() -> list[Any]:
    import baggage

    return [*baggage.unpack("n")]


class OwnThread(Thread):
    def start(self) -> None:
        super().start()

    def run(self) -> None:
        self.seen = look()


class OwnPool(ThreadPoolExecutor):
    def submit(self, *args: Any, **kwargs: Any) -> Any:
        return super().submit(*args, **kwargs)


class OwnProcess(Process):
    pass


class OwnPopen(Popen[bytes]):
    pass


class OwnQueue(Queue[Any]):
    pass


thread = OwnThread()
warm = OwnPool(1)
warm.submit(int).result()
threads = ThreadPool(1)
threads.apply(int)
greenlets = Greenlets(1)
items, seen_by_consumer, go = OwnQueue(), list[Any](), Event()


def consume() -> None:
    go.wait()
    items.get()
    seen_by_consumer.extend(look())


consumer = Thread(target=consume)
consumer.start()
loop, fast_loop = asyncio.new_event_loop(), uvloop.new_event_loop()


async def aconsume() -> list[Any]:
    await agoing.wait()
    await channel.get()
    return look()


channel: AsyncQueue[str] = AsyncQueue()
agoing = asyncio.Event()
aconsumer = loop.create_task(aconsume())


async def activate() -> None:
    import baggage.auto  # noqa: F401


loop.run_until_complete(activate())
import baggage


def by_thread() -> list[Any]:
    thread.start()
    thread.join()
    return thread.seen


def by_timer() -> list[Any]:
    seen: list[Any] = []
    timer = Timer(0, lambda: seen.extend(look()))
    timer.start()
    timer.join()
    return seen


def by_queue() -> list[Any]:
    items.put("item")
    go.set()
    consumer.join()
    return seen_by_consumer


async def alook() -> list[Any]:
    return look()


async def by_tasks() -> list[Any]:
    async with asyncio.TaskGroup() as group:
        grouped = group.create_task(alook())
    first = [await done for done in first_task([alook()])]
    seen = [await create_task(alook()), *await gather(alook()), *first, grouped.result()]
    seen += [await to_thread(look), await wait_for(alook(), 300)]
    return [1] if seen == [[1]] * len(seen) else seen


async def by_async_queue() -> list[Any]:
    await channel.put("item")
    agoing.set()
    return await aconsumer


def send(pipe: Any) -> None:
    pipe.send(look())


def by_process() -> Any:
    mine, theirs = Pipe()
    process = OwnProcess(target=send, args=(theirs,))
    process.start()
    process.join()
    return mine.recv()


def by_pool() -> Any:
    with Pool(1) as pool:
        return pool.apply(look)


def by_fork() -> Any:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, json.dumps(look()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return json.loads(os.read(reading, 100))


def by_popen() -> Any:
    with OwnPopen(LOOK, stdout=-1) as process:
        return json.loads(process.communicate()[0])


def by_processes() -> list[Any]:
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(look).result()


BRANCHES: dict[str, Callable[[], Any]] = {
    "Thread": by_thread,
    "Timer": by_timer,
    "Queue": by_queue,
    "ThreadPoolExecutor": lambda: warm.submit(look).result(),
    "as_completed": lambda: next(as_completed([warm.submit(look)])).result(),
    "ThreadPool": lambda: threads.apply(look),
    "asyncio": lambda: loop.run_until_complete(by_tasks()),
    "asyncio.Queue": lambda: loop.run_until_complete(by_async_queue()),
    "uvloop": lambda: fast_loop.run_until_complete(by_tasks()),
    "gevent": lambda: spawn(look).get(),
    "gevent.pool": lambda: greenlets.spawn(look).get(),
    "run": lambda: json.loads(run(LOOK, capture_output=True, check=True).stdout),
    "check_output": lambda: json.loads(check_output(LOOK)),
    "Popen": by_popen,
    "os.fork": by_fork,
    "Process": by_process,
    "Pool": by_pool,
    "ProcessPoolExecutor": by_processes,
}


def carried(see: Callable[[], Any]) -> Any:
    """Return what is seen behind a boundary."""
    with baggage.attached(baggage.Baggage().pack("n", 1)):
        return see()


if __name__ == "__main__":
    assert as_completed is concurrent.futures.as_completed
    assert first_task is asyncio.as_completed
    json.dump({name: carried(see) for name, see in BRANCHES.items()}, sys.stdout)
