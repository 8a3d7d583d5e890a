"""A service that answers before it is done: what is left it does in ways of all kinds."""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import threading
import time
from collections.abc import Iterator

import baggage

baggage.instrument()

import requests  # noqa: E402
import uvicorn  # noqa: E402
from fastapi import BackgroundTasks, FastAPI  # noqa: E402
from fastapi.responses import StreamingResponse  # noqa: E402

app = FastAPI()
jobs: queue.Queue[str] = queue.Queue()
left: set[asyncio.Task[None]] = set()
shown: list[str] = []
released = threading.Event()


def note(what: str) -> None:
    """Tell the other service, a little later than the answer is sent."""
    time.sleep(0.05)
    try:
        requests.post(f"{os.environ['AUDIT_URL']}/note/{what}", timeout=300)
    except requests.RequestException:
        pass


def work() -> None:
    while True:
        note(jobs.get())
        jobs.task_done()


def linger(noted: threading.Event) -> None:
    note("endless")
    noted.set()
    threading.Event().wait()


threading.Thread(target=work, daemon=True).start()


@app.get("/health-check")
def health_check() -> str:
    return "OK"


@app.post("/note/{what}")
def noted(what: str) -> str:
    return what


@app.get("/thread")
def thread() -> str:
    threading.Thread(target=note, args=("thread",)).start()
    return "begun"


@app.get("/task")
async def task() -> str:
    begun = asyncio.create_task(asyncio.to_thread(note, "task"))
    left.add(begun)
    begun.add_done_callback(left.discard)
    return "begun"


@app.get("/background")
def background(tasks: BackgroundTasks) -> str:
    tasks.add_task(note, "background")
    return "begun"


@app.get("/queue")
def put() -> str:
    jobs.put("queue")
    return "begun"


@app.get("/stream")
def stream() -> StreamingResponse:
    def parts() -> Iterator[str]:
        yield "begun"
        note("stream")

    return StreamingResponse(parts())


def show() -> None:
    try:
        requests.post(f"{os.environ['AUDIT_URL']}/note/shown", timeout=300).raise_for_status()
        shown.append("noted")
    except requests.RequestException:
        shown.append("failed")
    released.wait(300)


@app.get("/held")
def held() -> str:
    shown.clear()
    released.clear()
    showing = threading.Thread(target=show)
    showing.start()
    showing.join()
    return "begun"


@app.get("/shown")
def what_is_shown() -> str:
    return "".join(shown)


@app.get("/release")
def release() -> str:
    shown.clear()
    released.set()
    return "released"


@app.get("/endless")
def endless() -> str:
    noted = threading.Event()  # Nobody waits for ever: what is to be seen comes first.
    threading.Thread(target=linger, args=(noted,), daemon=True).start()
    noted.wait()
    return "begun"


if __name__ == "__main__":
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
