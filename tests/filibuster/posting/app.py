"""One service, run under several names: a shop that publishes, workers that take, a bank."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import courier  # type: ignore[import-not-found]
import requests
import waitress
from flask import Flask, Response, jsonify
from flask.typing import ResponseReturnValue

import baggage

NAME = os.environ["BAGGAGE_SERVICE"].rstrip("2")
baggage.instrument(service=NAME)
app = Flask(NAME)
served: list[str] = []


def charge(what: str) -> int:
    try:
        return requests.post(f"{os.environ['BANK_URL']}/charge/{what}", timeout=300).status_code
    except requests.RequestException:
        return 503


def once(what: str) -> bool:
    """Give up an order at once if it can't be charged: that loses orders."""
    if charge(what) != 200:
        served.append(f"lost {what}")
    return True


def insisting(what: str) -> bool:
    """Have an order come again until it can be charged."""
    return charge(what) == 200


def passed_on(what: str) -> bool:
    courier.publish("charges", what)
    return True


def slow(what: str) -> bool:
    time.sleep(0.05)
    return insisting(what)


def poison(what: str) -> bool:
    time.sleep(0.001)
    return False


def endless(what: str) -> bool:
    charge(what)
    threading.Event().wait()
    return True


WORK: dict[str, dict[str, Callable[[str], bool]]] = {
    "worker": {
        "orders": once,
        "charges": insisting,
        "flagged": insisting,
        "uncounted": insisting,
        "chained": passed_on,
        "poison": poison,
        "endless": endless,
        "news.worker": insisting,
    },
    "mailer": {"news.mailer": slow},
}


@app.get("/log")
def log() -> ResponseReturnValue:
    noted = list(served)
    served.clear()
    return jsonify(noted)


@app.get("/publish/<to>")
def published(to: str) -> ResponseReturnValue:
    try:
        courier.publish(to, "book")
    except courier.BrokerGone:
        return jsonify("try again"), 503
    return jsonify("accepted"), 202


@app.get("/both/<to>")
def both(to: str) -> ResponseReturnValue:
    for what in ("first", "second"):
        courier.publish(to, what)
    return jsonify("accepted"), 202


@app.get("/later/<to>")
def later(to: str) -> ResponseReturnValue:
    def said() -> Iterator[str]:
        yield "accepted"
        time.sleep(0.05)
        courier.publish(to, "book")

    return Response(said())


@app.post("/charge/<what>")
def charged(what: str) -> ResponseReturnValue:
    served.append(what)
    return jsonify(len(what))


if __name__ == "__main__":
    for queue, work in WORK.get(NAME, {}).items():
        for _ in range(8 if work is endless else 1):  # Who has such a message takes no other.
            threading.Thread(target=courier.consume, args=(queue, work), daemon=True).start()
    if os.environ["BAGGAGE_SERVICE"] == "worker":
        pairs = threading.Thread(target=courier.consume_in_pairs, args=("pairs", charge))
        pairs.daemon = True
        pairs.start()
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    waitress.serve(app, sockets=[listening], threads=8)
