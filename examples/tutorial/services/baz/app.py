"""baz: says "baz", and calls nobody."""

from __future__ import annotations

import os
import socket

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor

app = Flask("baz")
FlaskInstrumentor().instrument_app(app, service_name="baz")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/baz")
def baz() -> ResponseReturnValue:
    return "baz"


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
