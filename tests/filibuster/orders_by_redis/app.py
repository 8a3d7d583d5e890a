"""Orders in a stream of Redis, which two groups take; what isn't acknowledged is claimed later.

Who fails says so to the broker: who is but slow has as long as it takes.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

import redis
import requests
import waitress
from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

import baggage

NAME = os.environ["BAGGAGE_SERVICE"].rstrip("12")
STREAM = os.environ["ORDERS"]
IDLE = 600_000
baggage.instrument(service=NAME)
app = Flask(NAME)


def connected() -> Any:
    return redis.Redis.from_url(os.environ["BROKER_URL"], decode_responses=True)


def charge(entry: tuple[str, dict[str, str]]) -> bool:
    try:
        url = f"{os.environ['BANK_URL']}/charges/{entry[1]['order']}"
        return requests.post(url, timeout=300).ok
    except requests.RequestException:
        return False


def work(group: str) -> None:
    broker, name = connected(), f"{group}-{os.getpid()}"

    def settle(entry: tuple[str, dict[str, str]]) -> None:
        if charge(entry):
            broker.xack(STREAM, group, entry[0])
        else:
            broker.xclaim(STREAM, group, name, 0, [entry[0]], idle=IDLE, justid=True)

    while True:
        _, left, _ = broker.xautoclaim(STREAM, group, name, IDLE, count=1)
        for entry in left:
            settle(entry)
        for _, entries in broker.xreadgroup(group, name, {STREAM: ">"}, count=5, block=100):
            for entry in entries:
                settle(entry)


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return jsonify("OK")


@app.post("/orders/<order>")
def placed(order: str) -> ResponseReturnValue:
    connected().xadd(STREAM, {"order": order})
    return jsonify("accepted"), 202


@app.post("/charges/<order>")
def charged(order: str) -> ResponseReturnValue:
    return jsonify("charged")


if __name__ == "__main__":
    if NAME == "worker":
        for group in ("bills", "mail"):
            try:
                connected().xgroup_create(STREAM, group, mkstream=True)
            except redis.ResponseError:  # The other worker was first.
                pass
            threading.Thread(target=work, args=(group,), daemon=True).start()
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    waitress.serve(app, sockets=[listening])
