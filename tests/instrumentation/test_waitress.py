"""Applications of no framework in waitress's warm threads keep what every HTTP server has to."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar

import requests
from flask import Flask

from baggage.boundary import Kind
from baggage.instrumentation import flask as flask_
from baggage.instrumentation import waitress as instrumentation
from baggage.instrumentation._patching import Switch
from baggage.testing import Recorder
from baggage.testing.http_server import HttpServerSuite, View
from tests.instrumentation.serving import by_waitress
from tests.instrumentation.test_wsgiref import application


class TestWaitress(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    def serving(self, view: View) -> AbstractContextManager[str]:
        return by_waitress(application(view))

    def test_an_application_of_flask_is_left_to_its_own_instrumentation(self) -> None:
        of_flask = Switch()
        flask_.instrument(self.boundary, of_flask)
        recorder = Recorder(kinds=(Kind.SERVER,))
        self.boundary.register(recorder)
        app = Flask("shop")
        app.add_url_rule("/", view_func=lambda: "done")
        with by_waitress(app) as url:
            assert requests.get(url, timeout=10).ok
        of_flask.on = False
        assert [crossed.call.library for crossed in recorder.ended] == ["flask"]
