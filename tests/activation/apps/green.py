"""What a program sees that is patched by gevent or eventlet: imported after that."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

import baggage


class Noting(BaseHTTPRequestHandler):
    """Answers, and notes which requests carried baggage."""

    noted: list[bool] = []  # noqa: RUF012 - one for the whole program

    def do_GET(self) -> None:
        self.noted.append("baggage" in self.headers)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def look() -> list[object]:
    return [*baggage.unpack("n")]


def see(spawn: Callable[..., Any], wait: str, green: object) -> None:
    """Print what is carried by green threads, whose result is told by a method of that name."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Noting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url, behind = f"http://127.0.0.1:{server.server_port}/", list[object]()
    with baggage.attached(baggage.Baggage().pack("n", 1)):
        thread = threading.Thread(target=lambda: behind.extend(look()))
        thread.start()
        thread.join()
        greenlet = getattr(spawn(look), wait)()
        for asking in [spawn(requests.get, url, timeout=300) for _ in range(3)]:
            getattr(asking, wait)()
    seen = {"thread": behind, "greenlet": greenlet, "carried": Noting.noted, "green": green}
    json.dump({**seen, "nobody": getattr(spawn(look), wait)()}, sys.stdout)
