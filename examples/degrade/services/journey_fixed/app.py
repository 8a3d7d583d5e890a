"""journey: recommends the train if one goes, and else the road."""

from __future__ import annotations

import os
import socket
from typing import Any

import requests
import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor
from metaapps.filibuster.instrumentation.requests import RequestsInstrumentor

app = Flask("journey")
FlaskInstrumentor().instrument_app(app, service_name="journey")
RequestsInstrumentor().instrument(service_name="journey")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/journey")
def journey() -> ResponseReturnValue:
    if os.environ.get("TRAIN_FIRST"):
        train, way = next_train(), way_by_road()
    else:
        way, train = way_by_road(), next_train()
    if way is None:
        return "no way is known", 503
    if train is not None:
        return f"{train['minutes']} minutes by train ({way['km']} km)"
    if "minutes" in way:
        return f"{way['minutes']} minutes by road ({way['km']} km)"
    return f"{way['km']} km by road"


def way_by_road() -> Any:
    return ask(f"{os.environ['ROAD_URL']}/way")


def next_train() -> Any:
    return ask(f"{os.environ['TIMETABLE_URL']}/next-train")


def ask(url: str) -> Any:
    try:
        answer = requests.get(url, timeout=10)
        answer.raise_for_status()
    except requests.exceptions.RequestException:
        return None
    return answer.json()


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
