"""anemometer: measures the wind; one stands on the pier, and one on a buoy outside."""

from __future__ import annotations

import os
import socket

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

import baggage

baggage.instrument()
app = Flask("anemometer")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/wind")
def wind() -> ResponseReturnValue:
    return {"force": 4}


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
