"""seats: knows which seats are free."""

from __future__ import annotations

import os
import socket

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

import baggage

baggage.instrument()
app = Flask("seats")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/best")
def best() -> ResponseReturnValue:
    return {"row": 5, "seat": 11}


@app.get("/free")
def free() -> ResponseReturnValue:
    return {"free": 140, "of": 200}


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
