"""Self-tests of what starts branches within a process: threads, pools, tasks, greenlets."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from baggage.doctor.probes.loopback import PATIENCE
from baggage.doctor.probes.probe import Peers, behind


def by_threading(_: Peers) -> str:
    """Look from a thread."""
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(behind()), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return seen[0]


def by_thread_pool(_: Peers) -> str:
    """Look from a pool's thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(behind).result(PATIENCE)


async def _by_task() -> str:
    async def look() -> str:
        return behind()

    return await asyncio.create_task(look())


def by_asyncio(_: Peers) -> str:
    """Look from a task."""
    return asyncio.run(_by_task())


def by_uvloop(_: Peers) -> str:
    """Look from a task of a loop of uvloop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_by_task())


def by_gevent(_: Peers) -> str:
    """Look from a greenlet."""
    import gevent

    return str(gevent.spawn(behind).get(timeout=PATIENCE))


def by_eventlet(_: Peers) -> str:
    """Look from a green thread."""
    import eventlet

    return str(eventlet.spawn(behind).wait())
