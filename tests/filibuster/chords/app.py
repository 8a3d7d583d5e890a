"""A shop whose worker finds two prices, then writes a bill: a chord of Celery's; and a bank."""

from __future__ import annotations

import os
import socket
import threading

import requests
import waitress
from celery import Celery, chord
from celery.signals import worker_ready
from flask import Flask

import baggage

NAME = os.environ["BAGGAGE_SERVICE"]
baggage.instrument(service=NAME)
tasks = Celery("orders", broker=os.environ["BROKER_URL"], backend=os.environ["BROKER_URL"])
tasks.conf.update(task_default_queue=os.environ["ORDERS"], worker_enable_remote_control=False)
app = Flask(NAME)


def asked(path: str) -> str:
    return requests.get(f"{os.environ['BANK_URL']}/{path}", timeout=300).text


@tasks.task(name="price")  # type: ignore[untyped-decorator]  # it ships no types
def price(book: str) -> str:
    try:
        return asked(f"prices/{book}")
    except requests.RequestException:
        return "unknown"


@tasks.task(name="bill")  # type: ignore[untyped-decorator]
def bill(prices: list[str]) -> str:
    return asked(f"bills/{'-'.join(prices)}")


@app.get("/health-check")
def health_check() -> str:
    return "OK"


@app.get("/orders")
def ordered() -> tuple[str, int]:
    chord([price.s("a"), price.s("b")])(bill.s())
    return "taken", 202


@app.get("/<kind>/<what>")
def answered(kind: str, what: str) -> str:
    return f"{kind} of {what}"


def serve() -> None:
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))], threads=16)


if __name__ == "__main__":
    if NAME == "worker":
        serving = threading.Thread(target=serve, daemon=True)
        worker_ready.connect(lambda **_: serving.start(), weak=False)
        alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        tasks.worker_main(["worker", "--pool=threads", "--concurrency=4", *alone])
    else:
        serve()
