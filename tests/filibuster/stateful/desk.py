"""desk: keeps the name of who is served in one place for all, as no service should."""

from __future__ import annotations

import os
import socket
import time

import requests
import waitress
from flask import Flask, request
from flask.typing import ResponseReturnValue

import baggage

app = Flask("desk")
baggage.instrument("flask", "requests")
serving = {"name": ""}
visits: list[None] = []


@app.post("/mixed")
def mixed() -> ResponseReturnValue:
    """Forget who is served if somebody else comes meanwhile."""
    name = request.get_data(as_text=True)
    serving["name"] = name
    time.sleep(0.02)
    status = look_up()
    return f"{serving['name'] == name} {status}"


@app.get("/counted")
def counted() -> ResponseReturnValue:
    """Say which visit this is."""
    visits.append(None)
    return f"{len(visits)} {look_up()}"


@app.get("/clean")
def clean() -> ResponseReturnValue:
    visits.clear()
    return "clean"


@app.get("/leaves")
def leaves() -> ResponseReturnValue:
    """End the service if the look-up fails in a certain way."""
    status = look_up()
    if status == "502":
        os._exit(7)
    time.sleep(0.05)
    return status


@app.get("/slow")
def slow() -> ResponseReturnValue:
    return " ".join(look_up(f"/wait/{number}") for number in range(5))


def look_up(path: str = "/index") -> str:
    try:
        return str(requests.get(f"{os.environ['SHELF_URL']}{path}", timeout=60).status_code)
    except requests.exceptions.RequestException as error:
        return type(error).__name__


if __name__ == "__main__":
    own = [socket.socket(fileno=int(os.environ["SERVICE_FD"]))]
    waitress.serve(app, sockets=own, threads=32)
