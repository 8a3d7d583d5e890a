"""foo, bar and baz of the tutorial, as plain WSGI services under foreign instrumentation.

Run as `service.py NAME`. foo forgets that bar may be unreachable, but not at /fixed.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from original import (  # type: ignore[import-not-found]
    ConnectionError,  # noqa: A004
    Instrumentation,
    Timeout,
)

Answer = tuple[int, str]


def foo(call: Instrumentation, *, fixed: bool) -> Answer:
    try:
        answer = call.get(f"{os.environ['BAR_URL']}/bar/baz", timeout=300)
    except Timeout:
        return 503, "bar took too long"
    except ConnectionError:
        if not fixed:
            raise
        return 503, "bar cannot be reached"
    return (200, f"foo {answer.text}") if answer.status_code == 200 else (503, "bar failed")


def bar(call: Instrumentation) -> Answer:
    try:
        answer = call.get(f"{os.environ['BAZ_URL']}/baz", timeout=300)
    except (Timeout, ConnectionError):
        return 503, "baz cannot be reached"
    return (200, f"bar {answer.text}") if answer.status_code == 200 else (503, "baz failed")


def twice(call: Instrumentation) -> Answer:
    """Call baz twice from one place."""
    answers = [call.get(f"{os.environ['BAZ_URL']}/baz", timeout=300) for _ in range(2)]
    return 200, " ".join(answer.text for answer in answers)


ROUTES: dict[str, Callable[[Instrumentation], Answer]] = {
    "/health-check": lambda call: (200, "OK"),
    "/foo/bar/baz": lambda call: foo(call, fixed=False),
    "/fixed": lambda call: foo(call, fixed=True),
    "/bar/baz": bar,
    "/twice": twice,
    "/baz": lambda call: (200, "baz"),
}


class Application:
    def __init__(self, service: str) -> None:
        self.instrumentation = Instrumentation(service)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {
            key[5:].lower().replace("_", "-"): value
            for key, value in environ.items()
            if key.startswith("HTTP_")
        }
        self.instrumentation.received(headers)
        route = ROUTES.get(environ["PATH_INFO"])
        try:
            status, text = (404, "") if route is None else route(self.instrumentation)
        except Exception as error:
            status, text = 500, repr(error)
        start_response(f"{status} -", [("Content-Length", str(len(text.encode())))])
        return [text.encode()]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def main() -> None:
    server = Server(("127.0.0.1", 0), Quiet, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    server.server_name, server.server_port = server.socket.getsockname()
    server.setup_environ()
    server.set_app(Application(sys.argv[1]))
    server.serve_forever()


if __name__ == "__main__":
    main()
