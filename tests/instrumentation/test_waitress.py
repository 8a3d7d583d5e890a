"""Applications of no framework in waitress's warm threads keep what every HTTP server has to."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar

from baggage.instrumentation import waitress as instrumentation
from baggage.testing.http_server import HttpServerSuite, View
from tests.instrumentation.serving import by_waitress, who_serves_flask
from tests.instrumentation.test_wsgiref import application


class TestWaitress(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    def serving(self, view: View) -> AbstractContextManager[str]:
        return by_waitress(application(view))

    def test_an_application_of_flask_is_left_to_its_own_instrumentation(self) -> None:
        assert who_serves_flask(self.boundary, by_waitress) == ["flask"]
