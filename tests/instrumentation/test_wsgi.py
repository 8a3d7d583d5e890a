"""What applications and servers may do by WSGI's rules, with an instrumented Flask between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import pytest
from flask import Flask, Response, request, stream_with_context
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import EnvironBuilder, run_wsgi_app

from baggage.boundary import (
    Answer,
    Arrival,
    Fault,
    FaultKind,
    Inject,
    Kind,
    Policy,
    Proceed,
    Raised,
    Returned,
    read_header,
    write_header,
)
from baggage.context import attached, branch, current, pack, suppressed, unpack
from baggage.instrumentation import flask as instrumentation
from baggage.instrumentation.flask import name_service
from baggage.testing import Recorder, Scripted
from baggage.testing.suite import HERE, InstrumentationSuite, failure
from baggage.values import EMPTY, Direction, key

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
HOME = key("suite.home", direction=Direction.HOME)


def asking() -> dict[str, str]:
    return {"baggage": write_header(EMPTY.pack("tenant", "acme"), origin="caller")}


def flask_over(application: Wsgi) -> Flask:
    """Make a Flask application of a plain WSGI one."""
    app = Flask(__name__)
    app.wsgi_app = application  # type: ignore[method-assign, assignment]
    return app


class TestWsgi(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    def recorded(self) -> Recorder:
        recorder = Recorder(kinds=(Kind.SERVER,))
        self.boundary.register(recorder)
        return recorder

    def scripted(self, first: Any = None, then: object = None) -> Scripted:
        scripted = Scripted(first or Proceed(), then, kinds=(Kind.SERVER,))
        self.boundary.register(scripted)
        return scripted

    def ask(self, app: Any, **kwargs: Any) -> tuple[bytes, str, Any]:
        """Ask as werkzeug's test client does; return the body, the status and the headers."""
        environ = EnvironBuilder(headers=[*asking().items()], **kwargs).get_environ()
        body, status, headers = run_wsgi_app(app, environ, buffered=True)
        return b"".join(body), status, headers

    def test_an_exception_of_the_application_passes_as_it_is(self) -> None:
        recorder = self.recorded()
        error = LookupError("the application's own")

        def application(environ: Any, start_response: Any) -> Iterable[bytes]:
            raise error

        assert failure(lambda: self.ask(flask_over(application))) is error
        assert (error.__cause__, error.__context__) == (None, None)
        assert isinstance(recorder.ended[0].outcome, Raised)
        assert recorder.ended[0].outcome.error is error
        assert branch() is None

    def test_an_exception_in_the_middle_of_a_stream_passes_as_it_is(self) -> None:
        recorder = self.recorded()
        error = LookupError("the application's own")

        def application(environ: Any, start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [])
            yield b"chunk"
            raise error

        assert failure(lambda: self.ask(flask_over(application))) is error
        assert isinstance(recorder.ended[0].outcome, Raised)

    def test_an_exception_before_the_first_chunk_closes_the_body(self) -> None:
        recorder = self.recorded()
        error = LookupError("the application's own")
        closed: list[bool] = []

        def application(environ: Any, start_response: Any) -> Iterator[bytes]:
            try:
                if environ:
                    raise error
                yield b""
            finally:
                closed.append(True)

        assert failure(lambda: self.ask(flask_over(application))) is error
        assert closed == [True]
        assert isinstance(recorder.ended[0].outcome, Raised)

    @pytest.mark.parametrize("digests", [False, True])
    def test_an_exception_in_a_body_of_a_stated_length_reaches_the_server(
        self, digests: bool
    ) -> None:
        error = LookupError("the application's own")
        if digests:
            self.boundary.register(_Digesting())

        def body() -> Iterator[bytes]:
            yield b"12"
            raise error

        def application(environ: Any, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [("Content-Length", "5")])
            return body()

        assert failure(lambda: self.ask(flask_over(application))) is error

    def test_a_digest_is_of_the_whole_body(self) -> None:
        digesting = _Digesting()
        self.boundary.register(digesting)
        for chunks in ([b"a", b"b"], [b"ab"], [b"b"]):

            def application(environ: Any, start_response: Any, chunks: Any = chunks) -> Any:
                size = sum(map(len, chunks))
                start_response("200 OK", [("Content-Length", str(size))])
                return iter(chunks)

            assert self.ask(flask_over(application))[0] == b"".join(chunks)
        first, second, other = digesting.found
        assert first == second != other

    def test_a_digest_reads_neither_streams_nor_what_is_large(self) -> None:
        digesting = _Digesting()
        self.boundary.register(digesting)
        for headers in ([], [("Content-Length", str(1 << 21))]):
            pulled: list[int] = []

            def application(
                environ: Any, start_response: Any, headers: Any = headers, pulled: Any = pulled
            ) -> Iterable[bytes]:
                start_response("200 OK", headers)
                return iter([b"x"])

            self.ask(flask_over(application))
        assert digesting.found == [None, None]

    def test_a_body_is_closed_once_after_its_end(self) -> None:
        steps: list[str] = []

        class Body:
            def __iter__(self) -> Iterator[bytes]:
                steps.append(str(unpack("tenant")))
                yield b"chunk"

            def close(self) -> None:
                steps.append(f"closed {unpack('tenant')}")

        for headers in ([], [("Content-Length", "5")]):

            def application(environ: Any, start_response: Any, headers: Any = headers) -> Any:
                start_response("200 OK", headers)
                return Body()

            steps.clear()
            self.ask(flask_over(application))
            assert steps == ["('acme',)", "closed ('acme',)"]

    def test_a_body_that_was_digested_is_closed_too(self) -> None:
        self.boundary.register(_Digesting())
        closed: list[bool] = []

        def body() -> Iterator[bytes]:
            try:
                yield b"12345"
            finally:
                closed.append(True)

        class Closing:
            def __init__(self) -> None:
                self.body = body()

            def __iter__(self) -> Iterator[bytes]:
                return self.body

            def close(self) -> None:
                closed.append(False)

        def application(environ: Any, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [("Content-Length", "5")])
            return Closing()

        assert self.ask(flask_over(application))[0] == b"12345"
        assert closed == [True, False]

    def test_the_write_of_old_applications_works(self) -> None:
        recorder = self.recorded()

        def application(environ: Any, start_response: Any) -> Iterable[bytes]:
            write = start_response("200 OK", [])
            pack("n", 1)
            write(b"written ")
            return [b"returned"]

        environ = EnvironBuilder(headers=[*asking().items()]).get_environ()
        body, _, headers = run_wsgi_app(flask_over(application), environ)
        assert b"".join(body) == b"written returned"
        body.close()  # type: ignore[attr-defined]
        assert read_header(headers["baggage"]).unpack("n") == (1,)
        assert len(recorder.ended) == 1

    def test_a_server_that_returns_no_write_is_started_once(self) -> None:
        started: list[str] = []
        environ = EnvironBuilder(headers=[*asking().items()]).get_environ()

        def start(status: str, *_: object) -> Any:
            started.append(status)

        body = self.application()(environ, start)
        assert b"".join(body) == b"('tenant',)"
        assert started == ["200 OK"]

    def test_an_application_may_change_its_mind_before_the_first_byte(self) -> None:
        def application(environ: Any, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [])
            try:
                raise LookupError
            except LookupError as error:
                start_response("500 Oh", [], (type(error), error, error.__traceback__))
            return [b"sorry"]

        assert self.ask(flask_over(application))[:2] == (b"sorry", "500 Oh")

    def test_an_application_that_changes_its_mind_too_late_is_told_by_the_server(self) -> None:
        error = LookupError("too late")

        def application(environ: Any, start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [])
            yield b"chunk"
            start_response("500 Oh", [], (LookupError, error, None))
            yield b""

        told: list[Any] = []

        def server(environ: Any, start_response: Any) -> Any:
            def start(status: str, headers: Any, exc_info: Any = None) -> Any:
                told.append(exc_info)
                return start_response(status, headers, None)

            return flask_over(application)(environ, start)

        self.ask(server)
        assert [info and info[1] for info in told] == [None, error]

    def test_an_application_that_never_starts_a_response_is_told(self) -> None:
        def application(environ: Any, start_response: Any) -> Iterable[bytes]:
            return [b"body"]

        error = failure(lambda: self.ask(flask_over(application)))
        assert "start_response" in str(error)

    def test_an_empty_generator_is_an_empty_answer(self) -> None:
        def application(environ: Any, start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [])
            yield from ()

        body, status, headers = self.ask(flask_over(application))
        assert (body, status) == (b"", "200 OK")
        assert "baggage" in headers

    def test_a_middleware_without_close_is_served(self) -> None:
        def application(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            return map(bytes, [b"a", b"b"])

        assert self.ask(flask_over(application))[0] == b"ab"

    def test_a_lazy_body_without_close_is_served(self) -> None:
        class Lazy:
            def __init__(self, start_response: Any) -> None:
                self.start_response = start_response

            def __iter__(self) -> Iterator[bytes]:
                self.start_response("200 OK", [("Content-Length", "1")])
                return iter([b"a"])

        app = flask_over(lambda environ, start_response: Lazy(start_response))
        assert self.ask(app)[0] == b"a"

    def test_headers_of_the_application_stay(self) -> None:
        def application(environ: Any, start_response: Any) -> Iterable[bytes]:
            start_response(
                "200 OK", [("Set-Cookie", "a"), ("Set-Cookie", "b"), ("Baggage", "own=1")]
            )
            return []

        _, _, headers = self.ask(flask_over(application))
        assert headers.getlist("set-cookie") == ["a", "b"]
        assert read_header(headers["baggage"]).foreign == ("own=1",)
        assert read_header(headers["baggage"]).origin == HERE

    def test_an_application_mounted_in_another_is_a_part_of_it(self) -> None:
        recorder = self.recorded()
        outer, inner = Flask("outer"), Flask("inner")

        @inner.get("/")
        def view() -> str:
            pack("n", 1)
            return str(unpack("tenant"))

        outer.wsgi_app = DispatcherMiddleware(outer.wsgi_app, {"/in": inner})  # type: ignore[method-assign]
        body, _, headers = self.ask(outer, path="/in/")
        assert body == b"('acme',)"
        assert read_header(headers["baggage"]).unpack("n") == (1,)
        assert [crossed.call.operation for crossed in recorder.begun] == ["GET /in/"]

    def test_a_delay_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        slept: list[float] = []
        monkeypatch.setattr(time, "sleep", slept.append)
        self.scripted(Proceed(delay=1.5))
        assert self.ask(self.application())[1] == "200 OK"
        assert slept == [1.5]

    def test_the_names_of_two_services_in_one_process_are_kept_apart(self) -> None:
        recorder = self.recorded()
        named, unnamed = self.application(), self.application()
        name_service(named, "named")
        origins = [read_header(self.ask(app)[2]["baggage"]).origin for app in (named, unnamed)]
        assert origins == ["named", HERE]
        assert [crossed.call.source for crossed in recorder.begun] == origins

    def application(self) -> Flask:
        app = Flask(__name__)

        @app.get("/")
        def view() -> str:
            return str(current().keys())

        return app

    def test_a_flow_that_puts_an_exception_in_place_of_the_answer_raises_it(self) -> None:
        error = LookupError("the flow's")
        self.scripted(then=Raised(error))
        assert failure(lambda: self.ask(self.application())) is error

    def test_a_flow_that_puts_an_answer_in_place_of_an_exception_answers(self) -> None:
        unavailable = Fault(FaultKind.STATUS, status=503)
        scripted = self.scripted(then=unavailable)

        def application(environ: Any, start_response: Any) -> Iterable[bytes]:
            raise LookupError

        assert self.ask(flask_over(application))[1] == "503 Service Unavailable"
        assert isinstance(scripted.saw[0], Raised)

    def test_an_answer_of_a_flow_is_given_again(self) -> None:
        recorder = self.recorded()
        assert self.ask(self.application())[0] == b"('tenant',)"
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Returned)
        self.scripted(Answer(Returned(outcome.value)))
        assert self.ask(self.application())[1] == "200 OK"

    @pytest.mark.parametrize("status", [418, 799])
    def test_a_status_may_be_any(self, status: int) -> None:
        self.scripted(Inject(Fault(FaultKind.STATUS, status=status)))
        assert self.ask(self.application())[1].startswith(f"{status} ")

    def test_the_address_of_the_caller_is_told_where_the_server_tells(self) -> None:
        recorder = self.recorded()
        for port in ("4711", "nonsense", ""):
            self.ask(
                self.application(),
                environ_overrides={"REMOTE_ADDR": "10.0.0.1", "REMOTE_PORT": port},
            )
        assert [str(crossed.call.endpoint) for crossed in recorder.begun] == [
            "10.0.0.1:4711",
            "10.0.0.1",
            "10.0.0.1",
        ]

    def test_headers_that_arrived_can_be_looked_at_as_a_mapping(self) -> None:
        recorder = self.recorded()
        self.ask(self.application(), content_type="text/plain")
        arrived = recorder.begun[0].call.arrived
        assert len(arrived) == len(list(arrived))
        assert "baggage" in arrived
        assert "x-none" not in arrived

    def test_a_path_is_told_raw_wherever_the_application_is_mounted(self) -> None:
        recorder = self.recorded()
        self.ask(flask_over(empty), path="/a b", base_url="http://localhost/mount")
        assert recorder.begun[0].call.operation == "GET /mount/a%20b"

    def test_a_request_within_a_meta_applications_own_traffic_is_not_seen(self) -> None:
        recorder = self.recorded()
        with suppressed():
            assert self.ask(self.application())[0] == b"()"
        assert recorder.begun == []

    def test_a_failing_adapter_leaves_the_request_to_be_served(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(*_: object, **__: object) -> None:
            raise ValueError("the adapter's")

        self.boundary.configure(Policy(service=HERE))
        self.recorded()
        for step in ("describe", "request_carrier", "facts"):
            with monkeypatch.context() as patch:
                patch.setattr("baggage.instrumentation._wsgi.WsgiAdapter." + step, failing)
                assert self.ask(self.application())[1] == "200 OK", step

    def test_a_response_that_cannot_carry_is_sent_as_it_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(*_: object) -> None:
            raise ValueError("too long")

        self.boundary.configure(Policy(service=HERE))
        monkeypatch.setattr("baggage.boundary.transport.sign", failing)
        _, status, headers = self.ask(self.application())
        assert (status, "baggage" in headers) == ("200 OK", False)
        assert Arrival.respond is not None


class _Digesting:
    """Looks at the digest of each answer."""

    name = "digesting"

    def __init__(self) -> None:
        self.found: list[bytes | None] = []

    def interest(self, kind: Kind, library: str) -> Any:
        from baggage.boundary import Interest

        return Interest.OBSERVE

    def around(self, call: object) -> Any:
        outcome = yield Proceed()
        self.found.append(outcome.facts.digest())


def empty(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return []


class TestFlaskParts(InstrumentationSuite):
    """The parts of a request that run outside of its view."""

    instrumentation: ClassVar = instrumentation

    def test_every_part_of_a_request_runs_in_its_branch(self) -> None:
        app = Flask(__name__)
        seen: list[str] = []

        def look(part: str) -> None:
            seen.append(part)
            pack("parts", part)

        @app.before_request
        def before() -> None:
            look("before")

        @app.after_request
        def after(response: Response) -> Response:
            look("after")
            return response

        @app.teardown_request
        def teardown(error: BaseException | None) -> None:
            look(f"teardown {unpack('tenant')}")

        @app.get("/")
        def view() -> Response:
            look("view")
            response = Response("done")
            response.call_on_close(lambda: look(f"close {unpack('tenant')}"))
            return response

        response = app.test_client().get("/", headers=asking(), buffered=True)
        home = read_header(response.headers["baggage"])
        assert seen[:3] == ["before", "view", "after"]
        assert sorted(seen[3:]) == ["close ('acme',)", "teardown ('acme',)"]
        assert set(home.unpack("parts")) >= {"before", "view", "after"}

    def test_a_test_clients_own_baggage_is_not_the_requests(self) -> None:
        app = Flask(__name__)

        @app.get("/")
        def view() -> str:
            pack("n", "view's")
            return str(unpack("n"))

        with attached(EMPTY.pack("n", "test's")) as running:
            assert app.test_client().get("/").text == '("view\'s",)'
            assert running.unpack("n") == ("test's",)

    def test_a_stream_with_context_keeps_both_contexts(self) -> None:
        app = Flask(__name__)

        @app.get("/")
        def view() -> Response:
            def body() -> Iterator[str]:
                yield request.path
                yield str(unpack("tenant"))

            return Response(stream_with_context(body()))

        response = app.test_client().get("/", headers=asking())
        assert response.text == "/('acme',)"

    def test_an_error_page_of_the_application_brings_baggage_home(self) -> None:
        app = Flask(__name__)

        @app.errorhandler(LookupError)
        def sorry(error: LookupError) -> tuple[str, int]:
            pack("n", 2)
            return "sorry", 410

        @app.get("/")
        def view() -> str:
            pack("n", 1)
            raise LookupError

        response = app.test_client().get("/", headers=asking())
        assert response.status_code == 410
        assert set(read_header(response.headers["baggage"]).unpack("n")) == {1, 2}

    def test_an_exception_that_flask_propagates_passes_as_it_is(self) -> None:
        app = Flask(__name__)
        app.testing = True
        error = LookupError("the application's own")

        @app.get("/")
        def view() -> str:
            raise error

        assert failure(lambda: app.test_client().get("/", headers=asking())) is error
        assert branch() is None
