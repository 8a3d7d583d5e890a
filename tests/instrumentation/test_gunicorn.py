"""Applications in gunicorn's workers keep what every HTTP server has to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import pytest

from baggage.testing.http_server import HttpServerSuite, View
from tests.instrumentation.serving import running, who_serves_flask
from tests.instrumentation.test_wsgiref import application

pytest.importorskip("gunicorn")  # Not for Windows.

from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.sync import SyncWorker

from baggage.instrumentation import gunicorn as instrumentation


@contextmanager
def by_gunicorn(app: Any) -> Iterator[str]:
    """Have a worker serve each connection, in a thread of its own."""
    settings = Config()
    worker = SyncWorker(0, 0, [], None, 30, settings, Logger(settings))
    worker.wsgi = app
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                client, address = listening.accept()
                if not client.recv(1, socket.MSG_PEEK):
                    client.close()
                    return
                told = (listening, client, address)
                threading.Thread(target=worker.handle, args=told, daemon=True).start()

        with running(serve):
            yield "http://{}:{}/".format(*listening.getsockname())
            socket.create_connection(listening.getsockname()).close()
    worker.tmp.close()


class TestGunicorn(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    def serving(self, view: View) -> AbstractContextManager[str]:
        return by_gunicorn(application(view))

    def test_an_application_of_flask_is_left_to_its_own_instrumentation(self) -> None:
        assert who_serves_flask(self.boundary, by_gunicorn) == ["flask"]
