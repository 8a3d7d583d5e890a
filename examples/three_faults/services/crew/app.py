"""crew: knows who is on duty."""

from __future__ import annotations

import os
import socket

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

import baggage

baggage.instrument()
app = Flask("crew")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/on-duty")
def on_duty() -> ResponseReturnValue:
    return {"captain": "Ines", "limit": 7}


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
