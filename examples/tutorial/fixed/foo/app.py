"""foo: says "foo" before whatever bar says, and 503 whatever happens to bar."""

from __future__ import annotations

import os
import socket

import requests
import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor
from metaapps.filibuster.instrumentation.requests import RequestsInstrumentor

app = Flask("foo")
FlaskInstrumentor().instrument_app(app, service_name="foo")
RequestsInstrumentor().instrument(service_name="foo")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/foo/bar/baz")
def foo_bar_baz() -> ResponseReturnValue:
    try:
        answer = requests.get(f"{os.environ['BAR_URL']}/bar/baz", timeout=10)
    except (requests.exceptions.Timeout, requests.exceptions.ConnectionError):
        return "bar cannot be reached", 503
    if answer.status_code != 200:
        return "bar failed", 503
    return f"foo {answer.text}"


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
