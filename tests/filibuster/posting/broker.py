"""A small broker: queues behind HTTP, which several processes take messages from.

What is published for a destination lies in each queue that is bound to it. A message that nobody
gave back is gone once it's taken.
"""

from __future__ import annotations

import json
import os
import socket
from collections import defaultdict, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition
from typing import Any

BINDINGS = {"news": ["news.worker", "news.mailer"]}
MOST_DELIVERIES = 2000
changed = Condition()
queues: dict[str, deque[dict[str, Any]]] = defaultdict(deque)


def publish(asked: dict[str, Any]) -> object:
    for queue in BINDINGS.get(asked["to"], [asked["to"]]):
        queues[queue].append({**asked, "delivered": 0})
    changed.notify_all()
    return None


def take(asked: dict[str, Any]) -> object:
    queue = queues[asked["queue"]]
    if not changed.wait_for(lambda: queue, 10):
        return None
    message = queue.popleft()
    return {**message, "delivered": message["delivered"] + 1}


def back(asked: dict[str, Any]) -> object:
    # A poisoned one outlives every execution, but not the tests after it.
    if asked["message"]["delivered"] < MOST_DELIVERIES:
        queues[asked["queue"]].appendleft(asked["message"])
        changed.notify_all()
    return None


DOES = {"/publish": publish, "/take": take, "/back": back}


class Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(None)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with changed:
            answer = DOES[self.path](asked)
        self.answer(answer)

    def answer(self, said: object) -> None:
        payload = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    server = ThreadingHTTPServer(listening.getsockname(), Asked, bind_and_activate=False)
    server.daemon_threads = True
    server.socket = listening
    server.serve_forever()
