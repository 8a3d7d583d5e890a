"""Self-tests of queues within a process, and between processes of one machine."""

from __future__ import annotations

import asyncio
import multiprocessing.queues
import queue
import threading
from collections.abc import Callable
from contextvars import Context

from baggage.doctor.probes.loopback import PATIENCE
from baggage.doctor.probes.probe import Peers, behind


def by_queue(_: Peers) -> str:
    """Look from a thread that got an item."""
    items: queue.Queue[str] = queue.Queue()
    return consumed(lambda: items.put("item"), lambda: items.get(timeout=PATIENCE))


def by_process_queue(_: Peers) -> str:
    """Look from a thread that got an item out of a pipe."""
    items: multiprocessing.queues.Queue[str] = multiprocessing.Queue()
    seen = consumed(lambda: items.put("item"), lambda: items.get(timeout=PATIENCE))
    items.close()
    items.join_thread()
    return seen


def by_asyncio_queue(_: Peers) -> str:
    """Look from a task that got an item."""
    items: asyncio.Queue[str] = asyncio.Queue()
    items.put_nowait("item")  # here: what asyncio itself puts, directly below us, is no message

    async def work() -> str:
        await items.get()
        return behind()

    async def take() -> str:
        worker = asyncio.get_running_loop().create_task(work(), context=Context())
        return await asyncio.wait_for(worker, PATIENCE)

    return asyncio.run(take())


def consumed(put: Callable[[], object], get: Callable[[], object]) -> str:
    """Put an item; return what is known to a worker, a thread of its own, once it has it."""
    put()

    def work() -> str:
        get()
        return behind()

    return worked(work)


def worked(work: Callable[[], str]) -> str:
    """Return what work in a thread of its own returns; raise what it raises."""
    seen: list[str] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            seen.append(work())
        except Exception as error:  # noqa: BLE001 - raised again where it is heard
            failed.append(error)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(PATIENCE)
    for error in failed:
        raise error
    if not seen:
        raise TimeoutError("nobody got the message")
    return seen[0]
