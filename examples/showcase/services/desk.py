"""desk: takes orders for photo books: a price, a payment, and the press.

Pictures are looked at by gRPC in a pool of threads that is warm from the start. One thread has the
card terminal, so payments wait for it in a queue. The press is a Celery task.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import grpc
import press
import requests
import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

PAPER = 3000
CONCURRENTLY = 8
Payment = tuple[int, "queue.Queue[bool]"]

app = Flask("desk")
pool = ThreadPoolExecutor(CONCURRENTLY)
payments: queue.Queue[Payment] = queue.Queue()
ink = grpc.insecure_channel(urlsplit(os.environ["INK_URL"]).netloc)


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.post("/books/<title>")
def order(title: str) -> ResponseReturnValue:
    freight = quoted()
    if freight is None:
        return refused("nobody knows what it costs to send a book")
    needed = list(pool.map(estimated, (f"{title} cover", f"{title} pages")))
    if None in needed:
        return refused("nobody knows what ink it takes")
    cents = PAPER + sum(map(int, needed)) + freight["cents"]
    if not paid(cents):
        return refused("the card was not charged")
    return {"paid": cents, "book": printed(title, freight["by"])}, 201


def refused(why: str) -> ResponseReturnValue:
    return {"paid": 0, "book": None, "why": why}, 503


def quoted() -> Any:
    try:
        answer = requests.get(f"{os.environ['FREIGHT_URL']}/quote", timeout=60)
        answer.raise_for_status()
    except requests.exceptions.RequestException:
        return None
    return answer.json()


def estimated(picture: str) -> int | None:
    try:
        return int(ink.unary_unary("/print.Ink/Estimate")(picture.encode(), timeout=60))
    except grpc.RpcError:
        return None


def paid(cents: int) -> bool:
    done: queue.Queue[bool] = queue.Queue()
    payments.put((cents, done))
    return done.get()


def till() -> None:
    while True:
        cents, done = payments.get()
        done.put(charged(cents))


def charged(cents: int) -> bool:
    try:
        url = f"{os.environ['BANK_URL']}/charges"
        requests.post(url, json={"cents": cents}, timeout=60).raise_for_status()
    except requests.exceptions.RequestException:
        return False
    return True


def printed(title: str, by: str | None) -> str | None:
    try:
        # In memory, the press is this process, and Celery takes its threads for tasks that wait.
        waiting = {"timeout": 60, "interval": 0.02, "disable_sync_subtasks": False}
        return str(press.bind.delay(title, by).get(**waiting))
    except Exception:
        app.logger.exception("late: the press will catch up with its orders")
        return None


if __name__ == "__main__":
    # Warm: no request starts a thread, or waits for what Celery loads when it is first needed.
    press.app.connection_for_write().ensure_connection()
    press.app.backend.get_state("warm")
    together = threading.Barrier(CONCURRENTLY)
    list(pool.map(lambda _: together.wait(), range(CONCURRENTLY)))
    threading.Thread(target=till, daemon=True).start()
    if not press.REDIS:
        press.start()
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    waitress.serve(app, sockets=[listening], threads=CONCURRENTLY)
