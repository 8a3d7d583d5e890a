"""press: prints and binds books, and has them taken away; a Celery worker.

The broker is Redis, where REDIS_URL says. Without that it is Celery's in memory, and whoever has
orders for the press starts a worker in a thread of his own.

BUG: where no carrier answered, books are to be picked up, and nobody told the press of that. Who
starts it with PICKUP=known has that fixed.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from urllib.parse import urlsplit

import requests
import waitress
from celery import Celery
from celery.signals import worker_ready
from celery.worker import WorkController
from flask import Flask

DOCKS = {"bike": "dock 1", "van": "dock 2"}
# Whoever shares a broker with others, tests for example, has a queue of his own.
QUEUE = f"press-{urlsplit(os.environ['PRESS_URL']).port}"

REDIS = os.environ.get("REDIS_URL")

app = Celery("press", broker=REDIS or "memory://", backend=REDIS or "cache+memory://")
app.set_default()
app.conf.update(task_default_queue=QUEUE, worker_enable_remote_control=False)
if not REDIS:
    app.conf.broker_transport_options = {"polling_interval": 0.02}


@app.task(name="press.bind")
def bind(title: str, by: str | None) -> str:
    """Print a book, and have it taken away; return where it is."""
    if by is None and os.environ.get("PICKUP") == "known":
        return "the desk"
    time.sleep(0.02)
    dock = DOCKS[by]  # type: ignore[index]
    try:
        url = f"{os.environ['FREIGHT_URL']}/parcels"
        requests.post(url, json={"title": title, "dock": dock}, timeout=60).raise_for_status()
    except requests.exceptions.RequestException:
        return "the shelf"
    return dock


def start() -> None:
    """Start a worker in this process."""
    worker = WorkController(app=app, pool_cls="threads", concurrency=8)
    threading.Thread(target=worker.start, daemon=True).start()


def serve() -> None:
    """Answer that the press is ready, as services do."""
    health = Flask("press")
    health.add_url_rule("/health-check", view_func=lambda: "OK")
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    waitress.serve(health, sockets=[listening])


def main() -> None:
    if not REDIS:
        serve()
    serving = threading.Thread(target=serve, daemon=True)
    worker_ready.connect(lambda **_: serving.start(), weak=False)
    alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    app.worker_main(["worker", "--pool=threads", "--concurrency=8", *alone])


if __name__ == "__main__":
    main()
