"""shelf: answers, some of it after a while."""

from __future__ import annotations

import os
import socket
import time

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

import baggage

app = Flask("shelf")
baggage.instrument("flask", "requests")


@app.get("/index")
def index() -> ResponseReturnValue:
    return "index"


@app.get("/wait/<int:number>")
def wait(number: int) -> ResponseReturnValue:
    time.sleep(0.02)
    return str(number)


if __name__ == "__main__":
    own = [socket.socket(fileno=int(os.environ["SERVICE_FD"]))]
    waitress.serve(app, sockets=own, threads=32)
