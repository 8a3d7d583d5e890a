"""A service whose calls wait: `front` asks `back` ten times, which takes 20 ms to answer each."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time

import requests
import waitress
from flask import Flask

import baggage
from metaapps.filibuster.app import create

CALLS, SECONDS, THREADS = 10, 0.02, 64
NAME = sys.argv[1]

app = Flask(NAME)
LOCAL = threading.local()


def session() -> requests.Session:
    """Return this thread's session: a connection for each call would be most of the work."""
    if not hasattr(LOCAL, "session"):
        LOCAL.session = requests.Session()
        LOCAL.session.trust_env = False
    kept: requests.Session = LOCAL.session
    return kept


@app.get("/health-check")
def health_check() -> str:
    return "OK"


@app.get("/front")
def front() -> str:
    failed = 0
    for _ in range(CALLS):
        try:
            failed += not session().get(f"{os.environ['BACK_URL']}/back", timeout=30).ok
        except requests.RequestException:
            failed += 1
    return f"{failed} failed"


@app.get("/back")
def back() -> str:
    time.sleep(SECONDS)
    return "back"


if __name__ == "__main__":
    baggage.instrument("requests", "flask", service=NAME)
    baggage.register(create())
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    waitress.serve(app, sockets=[listening], threads=THREADS)
