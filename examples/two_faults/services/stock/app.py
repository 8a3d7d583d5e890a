"""stock: says how many of an item are left. It runs twice: a primary, and a replica of it."""

from __future__ import annotations

import os
import socket

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor

LEFT = {"kettle": 4, "teapot": 0}

app = Flask("stock")
FlaskInstrumentor().instrument_app(app, service_name=os.environ["BAGGAGE_SERVICE"])


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/stock/<item>")
def stock(item: str) -> ResponseReturnValue:
    return {"left": LEFT.get(item, 0)}


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
