"""One service, run under two names, whose requests do what applications do to their tools."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import requests
import waitress
from flask import Flask, Response
from flask.typing import ResponseReturnValue

import baggage
from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor
from metaapps.filibuster.instrumentation.requests import RequestsInstrumentor

app = Flask("lab")
FlaskInstrumentor().instrument_app(app, service_name=os.environ["BAGGAGE_SERVICE"])
RequestsInstrumentor().instrument(service_name=os.environ["BAGGAGE_SERVICE"])
baggage.instrument("queue")
unstarted = threading.Event()
jobs: queue.Queue[str] = queue.Queue()


def ask(said: str) -> str:
    try:
        return requests.get(f"{os.environ['ECHO_URL']}/echo/{said}", timeout=60).text
    except requests.exceptions.RequestException:
        return "nothing"


def work() -> None:
    """Ask what requests want to have asked, from a thread that none of them started."""
    while True:
        ask(jobs.get())


threading.Thread(target=work, daemon=True).start()


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/echo/<said>")
def echo(said: str) -> ResponseReturnValue:
    if said == "late":
        # Only after the request that this one came from has been answered.
        unstarted.wait(0.3)
    return said


@app.get("/once")
def once() -> ResponseReturnValue:
    return ask("once")


@app.get("/long")
def long() -> ResponseReturnValue:
    return ask("long" * 100)


@app.get("/many/<int:number>")
def many(number: int) -> ResponseReturnValue:
    return " ".join(ask(f"item-{i}-of-{number}") for i in range(number))


@app.get("/streamed")
def streamed() -> ResponseReturnValue:
    def parts() -> Iterator[str]:
        for i in range(3):
            yield ask(f"part-{i}")

    return Response(parts())


@app.get("/joined")
def joined() -> ResponseReturnValue:
    threads = [threading.Thread(target=ask, args=("same",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return "joined"


@app.get("/pooled")
def pooled() -> ResponseReturnValue:
    with ThreadPoolExecutor(4) as pool:
        return " ".join(pool.map(ask, ["same"] * 4))


@app.get("/unjoined")
def unjoined() -> ResponseReturnValue:
    """Start a thread that has ended before the answer, and that nobody joins."""
    done = threading.Event()

    def work() -> None:
        ask("unjoined")
        done.set()

    threading.Thread(target=work).start()
    done.wait()
    return "unjoined"


@app.get("/outlived")
def outlived() -> ResponseReturnValue:
    """Start a thread that goes on after the answer."""
    threading.Thread(target=ask, args=("late",)).start()
    return "outlived"


@app.get("/queued")
def queued() -> ResponseReturnValue:
    """Leave it to a worker to ask, after the answer."""
    jobs.put("late")
    return "queued"


@app.get("/left")
def left() -> ResponseReturnValue:
    """Start a thread that never ends."""
    threading.Thread(target=unstarted.wait, daemon=True).start()
    return ask("left")


if __name__ == "__main__":
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    waitress.serve(app, sockets=[listening], threads=16)
