"""WSGI applications behind real servers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import requests
from flask import Flask
from waitress.server import create_server
from werkzeug.serving import WSGIRequestHandler, make_server

from baggage.boundary import Boundary, Kind
from baggage.instrumentation import flask
from baggage.instrumentation._patching import Switch
from baggage.testing import Recorder


class _KeepsAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any, **__: Any) -> None:
        pass


@contextmanager
def by_werkzeug(app: Callable[..., Any], *, threaded: bool = True) -> Iterator[str]:
    """Serve with keep-alive, by a thread for each connection or by one thread."""
    server = make_server("127.0.0.1", 0, app, threaded=threaded, request_handler=_KeepsAlive)
    server.daemon_threads = True  # type: ignore[attr-defined]
    with running(lambda: server.serve_forever(0.01)):
        yield f"http://127.0.0.1:{server.port}/"
        server.shutdown()
    server.server_close()


@contextmanager
def by_waitress(app: Callable[..., Any]) -> Iterator[str]:
    """Serve by a pool of warm threads."""
    sockets: dict[int, Any] = {}
    server = create_server(app, map=sockets, host="127.0.0.1", port=0, threads=2)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            server.asyncore.loop(timeout=0.05, map=sockets, count=1)

    with running(serve):
        yield f"http://127.0.0.1:{server.effective_port}/"
        stopping.set()
    server.task_dispatcher.shutdown()
    server.asyncore.close_all(sockets, ignore_all=True)


@contextmanager
def running(serve: Callable[[], object]) -> Iterator[None]:
    """Run a server in a thread, to its end."""
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield
    thread.join()


def who_serves_flask(
    boundary: Boundary, serving: Callable[[Flask], AbstractContextManager[str]]
) -> list[str]:
    """Return the libraries that a request to an application of Flask arrives by."""
    of_flask = Switch()
    flask.instrument(boundary, of_flask)
    recorder = Recorder(kinds=(Kind.SERVER,))
    boundary.register(recorder)
    app = Flask("shop")
    app.add_url_rule("/", view_func=lambda: "done")
    with serving(app) as url:
        assert requests.get(url, timeout=300).ok
    of_flask.on = False
    return [crossed.call.library for crossed in recorder.ended]
