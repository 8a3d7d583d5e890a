"""Flask, behind several servers and in several wrappings, keeps what every HTTP server has to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from flask import Flask, Response

from baggage.instrumentation import flask as instrumentation
from baggage.testing.http_server import HttpServerSuite, View
from tests.instrumentation.serving import by_waitress, by_werkzeug

METHODS = ["GET", "POST", "HEAD"]


def application(view: View) -> Flask:
    app = Flask(__name__)
    app.logger.disabled = True

    @app.route("/", defaults={"path": ""}, methods=METHODS)
    @app.route("/<path:path>", methods=METHODS)
    def respond(path: str) -> Response:
        answer = view()
        if isinstance(answer, int):
            return Response(status=answer)
        return Response(answer)

    return app


class TestFlask(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    def serving(self, view: View) -> AbstractContextManager[str]:
        return by_werkzeug(application(view))


class TestFlaskInWarmThreads(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    def serving(self, view: View) -> AbstractContextManager[str]:
        return by_waitress(application(view))


class TestFlaskInOneThread(HttpServerSuite):
    instrumentation: ClassVar = instrumentation
    workers = 1

    def serving(self, view: View) -> AbstractContextManager[str]:
        return by_werkzeug(application(view), threaded=False)


class Middleware:
    """Wraps an application, and its body in a generator."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        body = self._app(environ, start_response)
        try:
            yield from body
        finally:
            getattr(body, "close", lambda: None)()


class TestFlaskInsideOfMiddleware(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    def serving(self, view: View) -> AbstractContextManager[str]:
        app = application(view)
        app.wsgi_app = Middleware(app.wsgi_app)  # type: ignore[method-assign]
        return by_werkzeug(app)


class TestFlaskMountedInFlask(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    def serving(self, view: View) -> AbstractContextManager[str]:
        outer = Flask("outer")
        outer.wsgi_app = application(view)  # type: ignore[method-assign]
        return by_werkzeug(outer)
