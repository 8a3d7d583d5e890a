"""Plain WSGI applications, wrapped by hand or by wsgiref, keep what every HTTP server has to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO, StringIO
from socketserver import ThreadingMixIn
from types import ModuleType
from typing import Any, ClassVar
from wsgiref.handlers import SimpleHandler
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from flask import Flask

from baggage.boundary import (
    PROCEED,
    Boundary,
    Call,
    Fault,
    FaultKind,
    Flow,
    Interest,
    Kind,
    Returned,
    write_header,
)
from baggage.context import unpack
from baggage.instrumentation import flask as flask_
from baggage.instrumentation import wsgiref_handlers as instrumentation
from baggage.instrumentation._patching import Switch
from baggage.instrumentation._wsgi import WsgiAdapter
from baggage.instrumentation._wsgi_server import Served
from baggage.instrumentation.flask import name_service
from baggage.testing import Recorder, Scripted
from baggage.testing.http_server import HttpServerSuite, View
from baggage.testing.suite import HERE, InstrumentationSuite
from baggage.values import EMPTY
from tests.instrumentation.serving import by_waitress, running

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


CGI = {
    "PATH_INFO": "/",
    "REQUEST_METHOD": "GET",
    "SERVER_NAME": "here.test",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.0",
}


def application(view: View) -> Wsgi:
    """Make a plain application: a body goes as a list, without a length."""

    def respond(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = view()
        if isinstance(answer, int):
            start_response(f"{answer} Status", [("Content-Length", "0")] if answer != 204 else [])
            return []
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [answer] if isinstance(answer, bytes) else answer

    return respond


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def get_stderr(self) -> Any:
        return StringIO()


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Keep quiet: clients hang up as they like."""


@contextmanager
def by_wsgiref(app: Wsgi) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, _Threads, _Quiet)
    with running(lambda: server.serve_forever(0.01)):
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
    server.server_close()


class TestWsgiref(HttpServerSuite):
    instrumentation: ClassVar = instrumentation

    def serving(self, view: View) -> AbstractContextManager[str]:
        return by_wsgiref(application(view))


class ByHand(ModuleType):
    """Stands for an instrumentation, where applications are wrapped by hand."""

    def instrument(self, boundary: Boundary, switch: Switch) -> None:
        self.boundary, self.switch = boundary, switch

    def wrap(self, app: Wsgi) -> Wsgi:
        served = Served(self.boundary, WsgiAdapter("wsgi"), app)
        return lambda environ, start: (served if self.switch.on else app)(environ, start)


class TestByHand(HttpServerSuite):
    instrumentation: ClassVar = ByHand("by_hand")

    def serving(self, view: View) -> AbstractContextManager[str]:
        return by_waitress(self.instrumentation.wrap(application(view)))


class TestBelow(InstrumentationSuite):
    """What runs in wsgiref's handlers, and what servers see of it."""

    instrumentation: ClassVar = instrumentation

    def recorded(self) -> Recorder:
        recorder = Recorder(kinds=(Kind.SERVER,))
        self.boundary.register(recorder)
        return recorder

    def ask(self, app: Any, **environ: str) -> bytes:
        """Run one request as CGI does; return all that is sent."""
        sent = BytesIO()
        variables = {**CGI, **environ}
        SimpleHandler(BytesIO(), sent, StringIO(), variables).run(app)
        return sent.getvalue()

    def test_a_framework_inside_is_a_part_of_the_request(self) -> None:
        below = Switch()
        flask_.instrument(self.boundary, below)
        recorder = self.recorded()
        app = Flask(__name__)
        app.add_url_rule("/", view_func=lambda: str(unpack("tenant")))
        carried = write_header(EMPTY.pack("tenant", "acme"), origin="caller")
        assert self.ask(app, HTTP_BAGGAGE=carried).endswith(b"('acme',)")
        below.on = False
        assert [crossed.call.library for crossed in recorder.ended] == ["wsgiref.handlers"]

    def test_an_application_keeps_the_name_that_it_was_given(self) -> None:
        recorder = self.recorded()
        app = Flask(__name__)
        app.add_url_rule("/", view_func=lambda: "done")
        name_service(app, "named")
        by_hand = Served(self.boundary, WsgiAdapter("wsgi"), plain, "shop")
        for each in (app, by_hand, plain):
            self.ask(each)
        assert [crossed.call.source for crossed in recorder.ended] == ["named", "shop", HERE]
        assert recorder.ended[1].call.library == "wsgi"

    @pytest.mark.parametrize("digested", [True, False])
    def test_a_single_chunk_still_has_its_length_stated(self, digested: bool) -> None:
        recorder = self.recorded()
        if digested:
            self.boundary.register(Scripted(kinds=(Kind.SERVER,), then=None))
            self.boundary.register(Digesting())
        sent = self.ask(plain)
        assert b"Content-Length: 5\r\n" in sent
        assert sent.endswith(b"\r\n\r\nplain")
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Returned)
        assert outcome.facts.size() == 5

    def test_a_file_is_sent_and_closed(self) -> None:
        closed: list[bool] = []

        class File(BytesIO):
            def close(self) -> None:
                closed.append(True)

        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            return environ["wsgi.file_wrapper"](File(b"content"))

        assert self.ask(app).endswith(b"content")
        assert closed

    def test_a_body_whose_place_a_fault_takes_is_closed(self) -> None:
        closed: list[bool] = []

        class Body(list[bytes]):
            def close(self) -> None:
                closed.append(True)

        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            return Body([b"content"])

        fault = Fault(FaultKind.STATUS, status=503, body=b"no")
        self.boundary.register(Scripted(then=fault, kinds=(Kind.SERVER,)))
        sent = self.ask(app)
        assert b"503 Service Unavailable" in sent
        assert sent.endswith(b"no")
        assert closed == [True]


def plain(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"plain"]


class Digesting:
    """Looks at the digest of each answer."""

    name = "digesting"

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.OBSERVE

    def around(self, call: Call) -> Flow:
        outcome = yield PROCEED
        assert isinstance(outcome, Returned)
        assert outcome.facts.digest()
        return None


PROGRAM = """
import sys
from io import BytesIO, StringIO
from wsgiref.handlers import SimpleHandler
import baggage
from baggage.boundary import read_header, write_header
from baggage.values import EMPTY

def app(environ, start_response):
    start_response("200 OK", [])
    baggage.pack("n", 1)
    return [repr(baggage.unpack("tenant")).encode()]

named = baggage.wsgi(app, service="shop")
sent = BytesIO()
carried = write_header(EMPTY.pack("tenant", "acme"), origin="caller")
environ = {"SERVER_PROTOCOL": "HTTP/1.0", "HTTP_BAGGAGE": carried}
SimpleHandler(BytesIO(), sent, StringIO(), environ).run(named)
head, _, body = sent.getvalue().partition(b"\\r\\n\\r\\n")
lines = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
home = read_header(lines.get("baggage", ""))
print(body.decode(), home.unpack("n"), home.origin)
"""


@pytest.mark.parametrize(
    ("disabled", "said"), [("", "('acme',) (1,) shop"), ("1", "() () ")], ids=["on", "disabled"]
)
def test_an_application_is_wrapped_by_name(disabled: str, said: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "BAGGAGE_DISABLED": disabled, "BAGGAGE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout.rstrip("\n"), ran.stderr) == (said, "")
