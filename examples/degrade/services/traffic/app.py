"""traffic: knows how fast cars move."""

from __future__ import annotations

import os
import socket

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor

app = Flask("traffic")
FlaskInstrumentor().instrument_app(app, service_name="traffic")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/speed")
def speed() -> ResponseReturnValue:
    return {"km_per_hour": 24}


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
