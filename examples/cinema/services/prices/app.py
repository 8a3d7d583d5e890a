"""prices: makes a ticket cheaper while the house is half empty; the full price if nobody knows."""

from __future__ import annotations

import os
import socket

import requests
import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

import baggage

FULL, REDUCED = 1200, 900

baggage.instrument()
app = Flask("prices")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/price")
def price() -> ResponseReturnValue:
    try:
        answer = requests.get(f"{os.environ['SEATS_URL']}/free", timeout=10)
        answer.raise_for_status()
    except requests.exceptions.RequestException:
        return {"cents": FULL}
    house = answer.json()
    return {"cents": REDUCED if house["free"] > house["of"] / 2 else FULL}


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
