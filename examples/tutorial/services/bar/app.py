"""bar: says "bar" before whatever baz says, and 503 whatever happens to baz."""

from __future__ import annotations

import os
import socket

import requests
import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor
from metaapps.filibuster.instrumentation.requests import RequestsInstrumentor

app = Flask("bar")
FlaskInstrumentor().instrument_app(app, service_name="bar")
RequestsInstrumentor().instrument(service_name="bar")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/bar/baz")
def bar_baz() -> ResponseReturnValue:
    try:
        answer = requests.get(f"{os.environ['BAZ_URL']}/baz", timeout=10)
    except requests.exceptions.RequestException:
        return "baz cannot be reached", 503
    if answer.status_code != 200:
        return "baz failed", 503
    return f"bar {answer.text}"


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
