"""orders: takes an order if the item is in stock, says the primary, or else its replica."""

from __future__ import annotations

import os
import socket

import requests
import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor
from metaapps.filibuster.instrumentation.requests import RequestsInstrumentor

app = Flask("orders")
FlaskInstrumentor().instrument_app(app, service_name="orders")
RequestsInstrumentor().instrument(service_name="orders")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.post("/orders/<item>")
def order(item: str) -> ResponseReturnValue:
    left = ask("PRIMARY_URL", item)
    if left is None:
        left = ask("REPLICA_URL", item)
    if left < 1:
        return "sold out", 409
    return "ordered", 201


def ask(url: str, item: str) -> int | None:
    try:
        answer = requests.get(f"{os.environ[url]}/stock/{item}", timeout=10)
        answer.raise_for_status()
    except requests.exceptions.RequestException:
        return None
    return answer.json()["left"]


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
