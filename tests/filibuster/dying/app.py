"""Two services, one program, that don't survive what befalls some of their calls."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

from flask import Flask
from flask.typing import ResponseReturnValue
from werkzeug.serving import make_server

NAME = os.environ["BAGGAGE_SERVICE"]
DYING, GO = (Path(os.environ.get("HERE", "/nowhere"), name) for name in ("dying", "go"))
app = Flask(NAME)


def ask(service: str, path: str) -> tuple[int, str]:
    address = os.environ[f"{service}_URL"].removeprefix("http://")
    connection = HTTPConnection(address, timeout=300)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/buy")
def buy() -> ResponseReturnValue:
    sys.stderr.write("a buyer\n")
    try:
        status, text = ask("ORDERS", "/order")
    except TimeoutError:
        sys.stderr.write("no orders, no shop\n")
        os._exit(3)
    except OSError:
        return "later", 202
    return text, status


@app.get("/browse")
def browse() -> ResponseReturnValue:
    status, text = ask("ORDERS", "/price")
    if status == 503:
        if DYING.exists():
            os._exit(7)
        DYING.write_text(str(os.getpid()))
    return text, status


def leave() -> None:
    """End after all, once somebody says so."""
    while not GO.exists() or DYING.read_text() != str(os.getpid()):
        time.sleep(0.02)
    sys.stderr.write("regrets\n")
    os._exit(7)


@app.get("/order")
def order() -> ResponseReturnValue:
    try:
        status, text = ask("SHOP", "/price")
    except ConnectionRefusedError:
        os.kill(os.getpid(), signal.SIGKILL)
        raise
    if status == 503:
        raise SystemExit(4)
    return text, status


@app.get("/price")
def price() -> ResponseReturnValue:
    return "12"


if __name__ == "__main__":
    threading.Thread(target=leave, daemon=True).start()
    # Of what serves in its main thread, SystemExit ends the process.
    descriptor = int(os.environ["SERVICE_FD"])
    make_server("", 0, app, threaded=NAME == "shop", fd=descriptor).serve_forever()
