"""A real service under audit, which asks the next one in all ways that keep context or lose it.

Run as a script, with the next service's address if there is one; says its own port on a line.
"""

from __future__ import annotations

import _thread
import asyncio
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import requests
from flask import Flask
from werkzeug.serving import make_server

import baggage
from tests.auditing.report import report

NEXT = sys.argv[2] if len(sys.argv) > 2 else ""
app = Flask("shop")


def ask() -> int:
    return requests.get(NEXT, timeout=300).status_code


class HandMade:
    """A pool that nothing hooks."""

    def __init__(self, start: Callable[[Callable[[], None]], object]) -> None:
        self.jobs: SimpleQueue[Any] = SimpleQueue()
        start(self.work)

    def work(self) -> None:
        while True:
            job, done = self.jobs.get()
            done.put(job())

    def run(self, job: Callable[[], int]) -> int:
        done: SimpleQueue[int] = SimpleQueue()
        self.jobs.put((job, done))
        return done.get()


def unhooked_call() -> int:
    return requests.get(NEXT, timeout=300).status_code  # unhooked


def kept_call() -> int:
    return requests.get(NEXT, timeout=300).status_code  # kept


def start_kept(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()  # started


EARLY = HandMade(lambda work: _thread.start_new_thread(work, ()))
LAZY: list[HandMade] = []
POOL = ThreadPoolExecutor(2)
QUEUE: queue.Queue[Any] = queue.Queue()


def early() -> int:
    return EARLY.run(unhooked_call)


def lazy() -> int:
    if not LAZY:
        LAZY.append(HandMade(start_kept))
    return LAZY[0].run(kept_call)


def enclosed() -> int:
    envelope = baggage.enclose(ask)

    def job() -> int:
        with baggage.opened(envelope) as work:
            return work()

    return EARLY.run(job)


def kept() -> int:
    return EARLY.run(baggage.keep(ask))


def declared() -> int:
    def job() -> int:
        with baggage.request_scope("nobody's"):
            return ask()

    return EARLY.run(job)


def pooled() -> int:
    return POOL.submit(ask).result()


def threaded() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(ask()))
    thread.start()
    thread.join()
    return found[0]


def queued() -> int:
    done: queue.Queue[int] = queue.Queue()
    QUEUE.put(done)
    return done.get()


def consume() -> None:
    while True:
        QUEUE.get().put(ask())


def tasked() -> int:
    async def both() -> list[int]:
        return list(await asyncio.gather(*(asyncio.to_thread(ask) for _ in range(2))))

    return asyncio.run(both())[0]


def afterwards() -> int:
    """Ask when the request is over, once, in a thread that nobody joins."""
    asked = threading.Event()
    AFTER.append((asked, threading.Thread(target=lambda: asked.wait(300) and ask())))
    AFTER[-1][1].start()
    return 200


AFTER: list[tuple[threading.Event, threading.Thread]] = []


def wrong_key() -> int:
    baggage.pack("tennant", "blue")
    return ask()


def wrong_value() -> int:
    baggage.pack("tenant", "None")
    return ask()


def forgotten() -> int:
    baggage.unpack("tenant")
    return ask()


def removed() -> int:
    """Remove what is somebody else's."""
    baggage.pack("tenant", "blue")
    POOL.submit(lambda: baggage.remove("tenant")).result()
    return ask()


def swallowed() -> int:
    try:
        POOL.submit(broken).result()
    except ValueError:
        pass
    return ask()


def nobody() -> int:
    """Ask where nobody listens."""
    try:
        return requests.get("http://127.0.0.1:9/", timeout=1).status_code
    except requests.ConnectionError:
        return 503


def broken() -> int:
    raise ValueError("a bug of the application's")


def wrong_url() -> int:
    return requests.get(f"{NEXT}no/such/page", timeout=300).status_code


def failing() -> int:
    return requests.get(f"{NEXT}by/broken", timeout=300).status_code


def hasty() -> int:
    try:
        return requests.get(f"{NEXT}slowly", timeout=0.05).status_code
    except requests.Timeout:
        return 504


@app.route("/")
def leaf() -> str:
    return str(ask()) if NEXT else "done"


@app.route("/slowly")
def slowly() -> str:
    threading.Event().wait(5)
    return "done"


@app.route("/by/<way>")
def by(way: str) -> str:
    return str(globals()[way]())


@app.route("/after")
def after() -> str:
    """Let what outlived its requests ask now, with another request open."""
    for asked, thread in AFTER:
        asked.set()
        thread.join()
    return str(len(AFTER))


@app.route("/findings")
def findings() -> str:
    return report()


def main() -> None:
    baggage.instrument(service=sys.argv[1])
    threading.Thread(target=consume, daemon=True).start()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.port, flush=True)  # noqa: T201 - to whoever started this
    server.serve_forever()


if __name__ == "__main__":
    main()
