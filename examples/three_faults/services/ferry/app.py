"""ferry: decides whether it sails, by the wind and by who is on duty.

The captain on duty knows how much wind is too much. If nobody knows who that is, the deputy sails,
who is allowed to in a light wind that was measured. With CREW_FIRST=yes it asks for the captain
first.

BUG: an estimate has not been measured. Who starts it with DEPUTY=careful has that fixed.
"""

from __future__ import annotations

import os
import socket
from typing import Any

import requests
import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

import baggage

DEPUTY_LIMIT = 5

baggage.instrument()
app = Flask("ferry")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/departure")
def departure() -> ResponseReturnValue:
    if os.environ.get("CREW_FIRST"):
        crew, wind = ask("CREW_URL", "/on-duty"), ask("FORECAST_URL", "/wind")
    else:
        wind, crew = ask("FORECAST_URL", "/wind"), ask("CREW_URL", "/on-duty")
    if wind is None:
        return "nobody knows the wind", 503
    return "sails" if safe(wind, crew) else "stays"


def safe(wind: Any, crew: Any) -> bool:
    if crew is not None:
        return bool(wind["at_most"] <= crew["limit"])
    if os.environ.get("DEPUTY") == "careful":
        return bool(wind.get("measured", DEPUTY_LIMIT) < DEPUTY_LIMIT)
    return bool(wind["measured"] < DEPUTY_LIMIT)


def ask(service: str, path: str) -> Any:
    try:
        answer = requests.get(f"{os.environ[service]}{path}", timeout=10)
        answer.raise_for_status()
    except requests.exceptions.RequestException:
        return None
    return answer.json()


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
