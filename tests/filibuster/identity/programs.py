"""What services do that make many equal calls at once: they differ in their content alone.

Each program makes calls that carry 0, 1, 2, …, so that what they carry says which one each is.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from functools import partial
from typing import Any

import aiohttp
import grpc
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

_reached: dict[str, str] = {}


def reach(url: str, address: str) -> None:
    """Say where the servers are."""
    _reached.update(url=url, address=address)


def fetch(number: int) -> None:
    """Make the call; all callers and threads do it from here."""
    wait()
    requests.post(_reached["url"], data=str(number), timeout=300).raise_for_status()


async def afetch(session: aiohttp.ClientSession, number: int) -> int:
    """Make the call in a task."""
    await asyncio.sleep(random.uniform(0, 0.005))
    async with session.post(_reached["url"], data=str(number).encode()) as response:
        response.raise_for_status()
    return number


def wait() -> None:
    time.sleep(random.uniform(0, 0.005))


# Threads


def threads(number: int) -> None:
    started = [threading.Thread(target=fetch, args=(each,)) for each in range(number)]
    for thread in started:
        thread.start()
    for thread in reversed(started):
        thread.join()


def pool(number: int) -> None:
    with ThreadPoolExecutor(number) as workers:
        futures = [workers.submit(fetch, each) for each in range(number)]
        for future in reversed(futures):
            future.result()


def small_pool(number: int) -> None:
    with ThreadPoolExecutor(3) as workers:
        list(workers.map(fetch, range(number)))


def completed(number: int) -> None:
    """Each call is followed by another one in its branch; who is done first is taken first."""

    def twice(each: int) -> None:
        fetch(2 * each)
        fetch(2 * each + 1)

    with ThreadPoolExecutor(number) as workers:
        for future in as_completed([workers.submit(twice, each) for each in range(number)]):
            future.result()


def followed_up(number: int) -> None:
    """Who is done first is followed up first, by whoever started them all."""

    def first(each: int) -> int:
        fetch(each)
        return each

    with ThreadPoolExecutor(number) as workers:
        for future in as_completed([workers.submit(first, each) for each in range(number)]):
            fetch(number + future.result())
    fetch(2 * number)


def nested_pools(number: int) -> None:
    with ThreadPoolExecutor(4) as outer, ThreadPoolExecutor(16) as inner:

        def several(first: int) -> None:
            wait()
            list(inner.map(fetch, range(first, min(first + 4, number))))

        list(outer.map(several, range(0, number, 4)))


def handed_context(number: int) -> None:
    """Contexts are handed over by hand, as one does where nobody else does it."""
    with ThreadPoolExecutor(number) as workers:
        futures = [workers.submit(copy_context().run, fetch, each) for each in range(number)]
        for future in futures:
            future.result()


def handed_to_threads(number: int) -> None:
    """The same for threads."""
    started = [
        threading.Thread(target=copy_context().run, args=(fetch, each)) for each in range(number)
    ]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def jobs(number: int) -> None:
    """Workers that were there before take jobs from a queue."""
    for each in range(number):
        _jobs.put(partial(fetch, each))
    _jobs.join()


def own_workers(number: int) -> None:
    """Workers that the request starts take jobs from a queue."""
    todo: queue.Queue[int | None] = queue.Queue()
    workers = [threading.Thread(target=_work_off, args=(todo,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for each in range(number):
        todo.put(each)
    for _ in workers:
        todo.put(None)
    for worker in workers:
        worker.join()


def retries(number: int) -> None:
    """One after the other, each a call like the one before."""
    for each in range(number):
        fetch(each)


def attempts(number: int) -> None:
    """A library tries again by itself."""
    session = requests.Session()
    again = Retry(total=2, status_forcelist=[503], allowed_methods=None, raise_on_status=False)
    session.mount("http://", HTTPAdapter(max_retries=again))
    for _ in range(number):
        assert session.post(_reached["url"] + "/failing", data="x", timeout=300).status_code == 503


def rpc_futures(number: int) -> None:
    with grpc.insecure_channel(_reached["address"]) as channel:
        method: Any = channel.unary_unary("/x.X/Get")
        futures = [method.future(str(each).encode(), timeout=300) for each in range(number)]
        for future in reversed(futures):
            future.result()


def rpc_pool(number: int) -> None:
    with grpc.insecure_channel(_reached["address"]) as channel:
        method: Any = channel.unary_unary("/x.X/Get")

        def call(each: int) -> None:
            wait()
            method(str(each).encode(), timeout=300)

        with ThreadPoolExecutor(number) as workers:
            list(workers.map(call, range(number)))


def undivided(number: int) -> None:
    """Threads that nobody tells of share the branch of whoever starts them: nobody can tell."""
    context, done = copy_context(), threading.Barrier(number + 1)

    def work(each: int) -> None:
        context.copy().run(fetch, each)
        done.wait()

    from baggage.context import suppressed

    with suppressed():
        for each in range(number):
            threading.Thread(target=work, args=(each,)).start()
    done.wait()


def greenlets(number: int) -> None:
    import gevent

    started = [gevent.spawn(fetch, each) for each in range(number)]
    gevent.joinall(list(reversed(started)))


def greenlet_pool(number: int) -> None:
    from gevent.pool import Pool

    for _ in Pool(4).imap_unordered(fetch, range(number)):
        pass


# Tasks


def gathered(number: int) -> None:
    async def main(session: aiohttp.ClientSession) -> None:
        await asyncio.gather(*(afetch(session, each) for each in range(number)))

    _serve(main)


def grouped(number: int) -> None:
    async def main(session: aiohttp.ClientSession) -> None:
        async with asyncio.TaskGroup() as group:
            for each in range(number):
                group.create_task(afetch(session, each))

    _serve(main)


def tasks_awaited_backwards(number: int) -> None:
    async def main(session: aiohttp.ClientSession) -> None:
        started = [asyncio.create_task(afetch(session, each)) for each in range(number)]
        for task in reversed(started):
            await task

    _serve(main)


def tasks_as_completed(number: int) -> None:
    async def twice(session: aiohttp.ClientSession, each: int) -> None:
        await afetch(session, 2 * each)
        await afetch(session, 2 * each + 1)

    async def main(session: aiohttp.ClientSession) -> None:
        for done in asyncio.as_completed([twice(session, each) for each in range(number)]):
            await done

    _serve(main)


def tasks_followed_up(number: int) -> None:
    async def main(session: aiohttp.ClientSession) -> None:
        for done in asyncio.as_completed([afetch(session, each) for each in range(number)]):
            await afetch(session, number + await done)
        await afetch(session, 2 * number)

    _serve(main)


def nested_gather(number: int) -> None:
    async def several(session: aiohttp.ClientSession, first: int) -> None:
        await asyncio.sleep(random.uniform(0, 0.005))
        await asyncio.gather(
            *(afetch(session, each) for each in range(first, min(first + 4, number)))
        )

    async def main(session: aiohttp.ClientSession) -> None:
        await asyncio.gather(*(several(session, first) for first in range(0, number, 4)))

    _serve(main)


def waited_for(number: int) -> None:
    async def main(session: aiohttp.ClientSession) -> None:
        calls = (asyncio.wait_for(afetch(session, each), 30) for each in range(number))
        await asyncio.gather(*calls)

    _serve(main)


def to_threads(number: int) -> None:
    async def main(_: aiohttp.ClientSession) -> None:
        await asyncio.gather(*(asyncio.to_thread(fetch, each) for each in range(number)))

    _serve(main)


def in_executor(number: int) -> None:
    async def main(_: aiohttp.ClientSession) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(number) as workers:
            calls = [loop.run_in_executor(workers, fetch, each) for each in range(number)]
            await asyncio.gather(*calls)

    _serve(main)


def async_rpcs(number: int) -> None:
    async def main(_: aiohttp.ClientSession) -> None:
        async with grpc.aio.insecure_channel(_reached["address"]) as channel:
            method: Any = channel.unary_unary("/x.X/Get")

            async def call(each: int) -> None:
                await asyncio.sleep(random.uniform(0, 0.005))
                await method(str(each).encode(), timeout=300)

            await asyncio.gather(*(call(each) for each in range(number)))

    _serve(main)


def task_workers(number: int) -> None:
    """Tasks that the request starts take jobs from a queue."""

    async def work(session: aiohttp.ClientSession, todo: asyncio.Queue[int | None]) -> None:
        while (each := await todo.get()) is not None:
            await afetch(session, each)

    async def main(session: aiohttp.ClientSession) -> None:
        todo: asyncio.Queue[int | None] = asyncio.Queue()
        workers = [asyncio.create_task(work(session, todo)) for _ in range(4)]
        for each in range(number):
            todo.put_nowait(each)
        for _ in workers:
            todo.put_nowait(None)
        await asyncio.gather(*workers)

    _serve(main)


def left_running(number: int) -> None:
    """Nobody waits for the tasks, but the loop."""

    async def main(session: aiohttp.ClientSession) -> None:
        started = {asyncio.create_task(afetch(session, each)) for each in range(number)}
        while not all(task.done() for task in started):  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    _serve(main)


# Both


def loops_in_threads(number: int) -> None:
    def several(numbers: Iterable[int]) -> None:
        async def main(session: aiohttp.ClientSession) -> None:
            await asyncio.gather(*(afetch(session, each) for each in numbers))

        _serve(main)

    portions = [range(first, min(first + 4, number)) for first in range(0, number, 4)]
    started = [threading.Thread(target=several, args=(portion,)) for portion in portions]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def threads_of_loops(number: int) -> None:
    """A loop's tasks each use a pool, and a thread within it."""

    def step(each: int) -> None:
        thread = threading.Thread(target=fetch, args=(each,))
        thread.start()
        thread.join()

    async def main(_: aiohttp.ClientSession) -> None:
        async def task(each: int) -> None:
            await asyncio.sleep(random.uniform(0, 0.005))
            await asyncio.to_thread(step, each)

        await asyncio.gather(*(task(each) for each in range(number)))

    _serve(main)


def _serve(main: Callable[[aiohttp.ClientSession], object]) -> None:
    async def serve() -> None:
        async with aiohttp.ClientSession() as session:
            await main(session)  # type: ignore[misc]

    asyncio.run(serve())


def _work() -> None:
    while True:
        job = _jobs.get()
        try:
            job()
        finally:
            _jobs.task_done()


def _work_off(todo: queue.Queue[int | None]) -> None:
    while (each := todo.get()) is not None:
        fetch(each)


_jobs: queue.Queue[Callable[[], None]] = queue.Queue()
for _ in range(4):
    threading.Thread(target=_work, daemon=True).start()
