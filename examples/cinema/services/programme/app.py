"""programme: knows what is on tonight, and what the leaflets say it costs."""

from __future__ import annotations

import os
import socket

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

import baggage

baggage.instrument()
app = Flask("programme")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/tonight")
def tonight() -> ResponseReturnValue:
    return {"film": "The Long Tide"}


@app.get("/leaflet")
def leaflet() -> ResponseReturnValue:
    return {"film": "The Long Tide", "price": "12.00"}


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
