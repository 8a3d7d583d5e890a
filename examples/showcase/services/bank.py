"""bank: charges cards."""

from __future__ import annotations

import os
import socket
import time

import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

app = Flask("bank")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.post("/charges")
def charge() -> ResponseReturnValue:
    time.sleep(0.01)
    return "charged", 201


if __name__ == "__main__":
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    waitress.serve(app, sockets=[listening], threads=8)
