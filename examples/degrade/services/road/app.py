"""road: knows the way by road; how long it takes, only while traffic answers."""

from __future__ import annotations

import os
import socket

import requests
import waitress
from flask import Flask
from flask.typing import ResponseReturnValue

from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor
from metaapps.filibuster.instrumentation.requests import RequestsInstrumentor

KM = 12

app = Flask("road")
FlaskInstrumentor().instrument_app(app, service_name="road")
RequestsInstrumentor().instrument(service_name="road")


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/way")
def way() -> ResponseReturnValue:
    try:
        answer = requests.get(f"{os.environ['TRAFFIC_URL']}/speed", timeout=10)
        answer.raise_for_status()
    except requests.exceptions.RequestException:
        return {"km": KM}
    return {"km": KM, "minutes": KM * 60 // answer.json()["km_per_hour"]}


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
