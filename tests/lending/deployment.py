"""Many services of one process that call one another over real sockets, for `test_services`.

Run as a program, with the shape and number of services, and whether they lend: it makes one request
that each service packs a value for, and tells as JSON what the messages cost.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import requests
from flask import Flask
from flask import request as asked

import baggage
from baggage.boundary import Policy
from baggage.clock import id_mass
from baggage.runtime.runtime import Runtime
from baggage.runtime.settings import Settings
from tests.lending.measuring import cost_of
from tests.lending.shapes import SHAPES

LARGEST = 7680


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class Deployment:
    """Services by number; what each calls, in turn or at once, and the headers that were sent."""

    def __init__(self, children: Sequence[Sequence[int]], *, at_once: bool) -> None:
        """Start no service yet."""
        self.children, self.at_once = children, at_once
        self.headers: list[str] = []
        self._ports: list[int] = []

    def serving(self, stack: ExitStack) -> None:
        """Serve all of them, each on a port of its own, until the stack unwinds."""
        for number in range(len(self.children)):
            server = make_server("127.0.0.1", 0, self._app(number), _Threads, _Quiet)
            self._ports.append(server.server_port)
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)

    def call(self, number: int) -> None:
        """Call a service."""
        answer = requests.get(f"http://127.0.0.1:{self._ports[number]}/", timeout=300)
        answer.raise_for_status()
        self.headers.append(answer.headers["baggage"])

    def _app(self, number: int) -> Flask:
        app = Flask(f"service{number}")

        def view() -> str:
            self.headers.append(asked.headers["baggage"])
            baggage.pack("n", number)
            self._call_all(self.children[number])
            return "done"

        app.add_url_rule("/", view_func=view)
        return app

    def _call_all(self, numbers: Iterable[int]) -> None:
        if not self.at_once:
            for number in numbers:
                self.call(number)
            return
        with ThreadPoolExecutor(4) as pool:
            for called in [pool.submit(self.call, number) for number in numbers]:
                called.result()


def main(shape: str, services: str, how: str, lends: str) -> dict[str, Any]:
    """Make the request; return what came of it."""
    lend = ("127.0.0.1",) if lends == "lends" else ()
    policy = Policy("ingress", strict=True, budget=LARGEST, lend=lend)
    Runtime(Settings(policy, metaapps=frozenset())).instrument()
    deployment = Deployment(SHAPES[shape](int(services)), at_once=how == "at_once")
    with ExitStack() as stack:
        deployment.serving(stack)
        with baggage.attached(baggage.Baggage()) as running:
            deployment.call(0)
            return told_of(running.baggage, deployment.headers)


def told_of(home: baggage.Baggage, headers: Sequence[str]) -> dict[str, Any]:
    """Return what came home, and what the messages cost; the last one is the last header."""
    costs = [cost_of(header) for header in headers]
    history, own = home.history, home.history.own
    return {
        "values": sorted(map(int, home.unpack("n"))),
        "roots": len(history.seen),
        "masses": sorted(str(id_mass(own.get(root, 0))) for root in history.seen),
        "last": asdict(costs[-1]),
        "worst": max((each.per_entry for each in costs if each.entries >= 10), default=0),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
