"""archive: remembers what the meters said last."""

from __future__ import annotations

import os
import socket

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

import baggage

LAST = {"hall": 115, "cellar": 45}

baggage.instrument()
app = Flask("archive")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/readings/<room>")
def reading(room: str) -> ResponseReturnValue:
    return {"watts": LAST[room], "old": True}


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
