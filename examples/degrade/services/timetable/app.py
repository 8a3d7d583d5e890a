"""timetable: knows how long the next train takes."""

from __future__ import annotations

import os
import socket

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor

app = Flask("timetable")
FlaskInstrumentor().instrument_app(app, service_name="timetable")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/next-train")
def next_train() -> ResponseReturnValue:
    return {"minutes": 18}


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
