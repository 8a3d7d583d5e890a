"""A service that answers: `backend.py flask|joined name`. Says its port, and serves for ever."""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import baggage
from metaapps import tracing

BODY = b"answered"


class Joined(BaseHTTPRequestHandler):
    """Nothing instruments this one: it joins by hand."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with tracing.join(self.headers, "joined") as span:
            span.over(self.connection).tag("pid", os.getpid())
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY if self.command == "GET" else b"")

    do_HEAD = do_GET  # noqa: N815 - as http.server asks

    def log_message(self, *_: Any) -> None:
        pass


def by_hand(name: str) -> Any:
    baggage.instrument("threading", service=name)
    return ThreadingHTTPServer(("127.0.0.1", 0), Joined)


def by_flask(name: str) -> Any:
    baggage.instrument("flask", "threading", service=name)
    from flask import Flask
    from werkzeug.serving import make_server

    app = Flask(name)

    @app.get("/")
    def answer() -> bytes:
        tracing.current().tag("pid", os.getpid())
        return BODY

    return make_server("127.0.0.1", 0, app, threaded=True)


if __name__ == "__main__":
    server = {"joined": by_hand, "flask": by_flask}[sys.argv[1]](sys.argv[2])
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
