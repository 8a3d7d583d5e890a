"""What urllib3 makes of an attempt's fault, by its own retries, and what it does not notice."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import urllib3
from urllib3.util import Retry

from baggage.boundary import (
    PROCEED,
    Call,
    Directive,
    Fault,
    FaultKind,
    Inject,
    Kind,
    Proceed,
    Raised,
    Returned,
    read_header,
)
from baggage.context import attached, pack, unpack
from baggage.instrumentation import urllib3 as instrumentation
from baggage.testing import HANG, RESET, Origin, Recorder, Reply, Scripted
from baggage.testing._client_faults import refusing
from baggage.testing.origin import service
from baggage.testing.suite import InstrumentationSuite, chain, eventually, failure
from baggage.values import EMPTY, Direction, key

DOWN = key("suite.down", direction=Direction.DOWN)
REFUSED = Fault(FaultKind.REFUSED)
UNAVAILABLE = Fault(FaultKind.STATUS, status=503)
PATIENCE, HASTE = 60, 0.05
THRICE = Retry(total=2, status_forcelist=[503], allowed_methods=None, backoff_factor=0)


def get(url: str, **options: Any) -> Any:
    options = {"timeout": PATIENCE, "retries": THRICE, **options}
    return urllib3.PoolManager().request("GET", url, **options)


def shown(error: BaseException) -> list[object]:
    """Return all that an application can see of an exception, but ports, addresses and times."""
    links: list[object] = list(chain(error))
    link: BaseException | None = error
    while link is not None:
        text = re.sub(r":\d+|port=\d+|0x[0-9a-f]+", "…", f"{link} {link!r}")
        links += [text, [type(arg) for arg in link.args], sorted(vars(link))]
        link = link.__cause__ or link.__context__
    return links


class TestAttempts(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation
    origin: Origin

    @pytest.fixture(autouse=True)
    def _origin(self, _clean: None) -> Iterator[None]:
        with Origin(lambda _: Reply()).serving() as self.origin:
            yield

    def scripted(self, *directives: Directive, then: object = None) -> Scripted:
        """Register what gives these directives, one to each attempt, and then lets it be."""
        left = list(directives)

        def first(_: Call) -> Directive:
            return left.pop(0) if left else PROCEED

        scripted = Scripted(first, then)
        self.boundary.register(scripted)
        return scripted

    def recorded(self) -> Recorder:
        recorder = Recorder(kinds=(Kind.CLIENT,))
        self.boundary.register(recorder)
        return recorder

    def compare(self, fault: Fault, url: str, **options: Any) -> None:
        recorder, contacts = self.recorded(), len(self.origin.received)
        real = shown(failure(lambda: get(url, **options)))
        self.boundary.unregister(recorder.name)
        if url == self.origin.url:  # what its caller didn't wait for comes, too
            contacts += len(recorder.ended)
            eventually(lambda: len(self.origin.received) == contacts)
        scripted = self.scripted(*[Inject(fault)] * 3)
        assert shown(failure(lambda: get(url, **options))) == real
        assert {outcome.injected for outcome in scripted.saw} == {fault}
        assert len(self.origin.received) == contacts
        self.boundary.unregister(scripted.name)

    @pytest.mark.parametrize("retries", [THRICE, False, Retry(0)])
    def test_they_fail_as_by_themselves(self, retries: Any) -> None:
        with refusing() as url:
            self.compare(REFUSED, url, retries=retries)
        self.origin.answer = lambda _: HANG
        self.compare(Fault(FaultKind.TIMEOUT), self.origin.url, retries=retries, timeout=HASTE)
        self.origin.answer = lambda _: RESET
        self.compare(Fault(FaultKind.RESET), self.origin.url, retries=retries)

    def test_retries_of_a_status_are_used_up_as_by_themselves(self) -> None:
        self.origin.answer = lambda _: Reply(503)
        self.compare(UNAVAILABLE, self.origin.url)

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("NewConnectionError", FaultKind.REFUSED),
            ("ReadTimeoutError", FaultKind.TIMEOUT),
            ("ProtocolError", FaultKind.RESET),
        ],
    )
    def test_exceptions_by_name_are_those_of_faults(self, name: str, kind: FaultKind) -> None:
        self.scripted(Inject(Fault(kind)), Inject(Fault(kind)))
        by_kind = shown(failure(lambda: get(self.origin.url, retries=Retry(1))))
        named = Inject(Fault(FaultKind.RAISE, name=f"urllib3.exceptions.{name}"))
        self.scripted(named, named)
        assert shown(failure(lambda: get(self.origin.url, retries=Retry(1)))) == by_kind

    @pytest.mark.parametrize("name", ["ConnectTimeoutError", "IncompleteRead", "SSLError"])
    def test_other_exceptions_by_name(self, name: str) -> None:
        self.scripted(Inject(Fault(FaultKind.RAISE, name=f"urllib3.exceptions.{name}")))
        error = failure(lambda: get(self.origin.url, retries=Retry(0)))
        assert name in repr(shown(error))

    def test_one_alone_may_fail_and_the_next_is_sent(self) -> None:
        scripted = self.scripted(Inject(REFUSED), Inject(UNAVAILABLE))
        assert get(self.origin.url).status == 200
        assert [outcome.injected for outcome in scripted.saw] == [REFUSED, UNAVAILABLE, None]
        assert isinstance(scripted.saw[0], Raised)
        assert len(self.origin.received) == 1

    def test_an_answer_that_is_lost_is_asked_for_again(self) -> None:
        scripted = self.scripted()
        scripted.then = Fault(FaultKind.TIMEOUT)
        failure(lambda: get(self.origin.url))
        assert len(self.origin.received) == 3

    def test_each_has_its_own_stamp_and_headers(self) -> None:
        self.origin.answer = lambda _: Reply(503 if len(self.origin.received) < 3 else 200)
        self.scripted(
            Proceed(down={DOWN: 1}, headers={"x-span": "1", "x-first": "yes"}),
            Proceed(down={DOWN: 2}, headers={"x-span": "2"}),
        )
        own = {"X-Span": "mine", "baggage": "own=1"}
        with attached(EMPTY.pack("tenant", "acme")):
            get(self.origin.url, headers=own)
        assert own == {"X-Span": "mine", "baggage": "own=1"}
        sent = [received.headers for received in self.origin.received]
        assert [headers["x-span"] for headers in sent] == ["1", "2", "mine"]
        assert ["x-first" in headers for headers in sent] == [True, False, False]
        carried = [read_header(received.baggage or "") for received in self.origin.received]
        assert [each.unpack(DOWN) for each in carried] == [(1,), (2,), ()]
        assert [each.foreign for each in carried] == [("own=1",)] * 3

    def test_headers_of_a_manager_stay_as_they_are(self) -> None:
        manager = urllib3.PoolManager(headers={"x-own": "yes"})
        with attached(EMPTY.pack("tenant", "acme")):
            manager.request("GET", self.origin.url)
        assert manager.headers == {"x-own": "yes"}
        manager.request("GET", self.origin.url)
        assert [bool(received.baggage) for received in self.origin.received] == [True, False]

    def test_a_proxy_forwards_for_the_host_that_is_asked(self) -> None:
        recorder = self.recorded()
        self.origin.answer = service(lambda: pack("n", 2))
        pack("n", 1)
        manager = urllib3.ProxyManager(self.origin.url, proxy_headers={"x-proxy": "yes"})
        assert manager.request("GET", "http://callee.test/users?all=1").status == 200
        assert self.origin.received[0].target == "http://callee.test/users?all=1"
        assert self.origin.received[0].headers["x-proxy"] == "yes"
        assert sorted(unpack("n")) == [1, 2]
        call = recorder.ended[0].call
        assert (call.operation, str(call.endpoint)) == ("GET /users", "callee.test:80")

    @pytest.mark.parametrize("fault", [REFUSED, UNAVAILABLE, Fault(FaultKind.TIMEOUT)])
    def test_a_call_by_a_proxy_fails_as_by_itself(self, fault: Fault) -> None:
        silent = fault.kind is FaultKind.TIMEOUT
        self.origin.answer = lambda _: HANG if silent else Reply(503)
        with refusing() as nobody:
            manager = urllib3.ProxyManager(nobody if fault is REFUSED else self.origin.url)

            def ask() -> Any:
                options: Any = {"timeout": HASTE if silent else PATIENCE, "retries": THRICE}
                return manager.request("GET", "http://callee.test/", **options)

            real = shown(failure(ask))
            eventually(lambda: fault is REFUSED or len(self.origin.received) == 3)
            self.origin.received.clear()
            self.scripted(*[Inject(fault)] * 3)
            assert shown(failure(ask)) == real
            assert self.origin.received == []

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
    @pytest.mark.parametrize("preload", [True, False])
    def test_a_changed_body_is_encoded_as_the_headers_say(
        self, encoding: str, preload: bool
    ) -> None:
        encode: Any = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}[encoding]
        headers = {"Content-Encoding": encoding}
        self.origin.answer = lambda _: Reply(headers=headers, body=encode(b"as written"))
        self.scripted(then=Fault(FaultKind.BODY, body=b"changed"))
        response = get(self.origin.url, preload_content=preload)
        assert response.data == b"changed"
        assert response.headers["content-encoding"] == encoding

    def test_a_changed_body_in_an_encoding_of_others_is_not_enacted(self) -> None:
        self.origin.answer = lambda _: Reply(headers={"Content-Encoding": "x"}, body=b"written")
        scripted = self.scripted(then=Fault(FaultKind.BODY, body=b"changed"))
        assert get(self.origin.url).data == b"written"
        assert isinstance(scripted.saw[0], Returned)

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(FaultKind.RAISE, name="urllib3.exceptions.MaxRetryError"),
            Fault(FaultKind.RAISE, name="os.system"),
            Fault(FaultKind.RAISE),
            Fault(FaultKind.STATUS),
            Fault(FaultKind.STATUS, status=100),
            Fault(FaultKind.CANCELLED),
            Fault(FaultKind.BODY, body=b"x"),
        ],
    )
    def test_what_no_attempt_comes_to_is_not_enacted(self, fault: Fault) -> None:
        scripted = self.scripted(Inject(fault))
        assert get(self.origin.url).status == 200
        assert scripted.saw[0].injected is None

    def test_connections_of_a_bounded_pool_come_back(self) -> None:
        host = {"host": "127.0.0.1", "port": self.origin.port}
        pool = urllib3.HTTPConnectionPool(**host, maxsize=1, block=True)  # type: ignore[arg-type]
        for fault in (REFUSED, UNAVAILABLE, Fault(FaultKind.RESET), Fault(FaultKind.TIMEOUT)):
            for preload in (True, False):
                options: Any = {"preload_content": preload, "pool_timeout": PATIENCE}
                self.scripted(Inject(fault))
                pool.request("GET", "/", retries=THRICE, **options).read()
                self.scripted(then=fault)
                try:
                    pool.request("GET", "/", retries=Retry(0, status=0), **options).read()
                except urllib3.exceptions.HTTPError:
                    pass
        self.boundary.unregister("scripted")
        assert pool.request("GET", "/", pool_timeout=PATIENCE).data == b"done"
