"""A service of Flask and requests that passes each request on; it knows nothing of baggage."""

import os
import socket

import requests
from flask import Flask, request
from flask.typing import ResponseReturnValue
from werkzeug.serving import make_server

app = Flask(__name__)


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return "OK"


@app.get("/")
def forward() -> ResponseReturnValue:
    to = request.args.get("to") or os.environ.get(os.environ.get("NEXT", ""))
    if not to:
        return "done"
    try:
        for _ in range(1, int(os.environ.get("TIMES", "1"))):
            requests.get(to, timeout=300)
        answer = requests.get(to, timeout=300)
    except requests.exceptions.RequestException as error:
        return str(error), 502
    return answer.text, answer.status_code


listening = socket.create_server(("127.0.0.1", 0))
if "SERVICE_FD" in os.environ:
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
print(listening.getsockname()[1], flush=True)  # noqa: T201
make_server("127.0.0.1", 0, app, threaded=True, fd=listening.fileno()).serve_forever()
