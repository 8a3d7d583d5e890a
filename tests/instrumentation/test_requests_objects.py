"""What applications do with the objects of requests, beside calling."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPDigestAuth
from urllib3 import Timeout

from baggage.boundary import Kind, Raised, Returned, read_header
from baggage.context import attached, pack
from baggage.instrumentation import requests as instrumentation
from baggage.testing import Origin, Received, Recorder, Reply
from baggage.testing.suite import InstrumentationSuite, failure
from baggage.values import EMPTY

LIMIT = 300


class TestObjects(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation
    origin: Origin

    @pytest.fixture(autouse=True)
    def _origin(self, _clean: None) -> Iterator[None]:
        with Origin(lambda _: Reply()).serving() as self.origin:
            yield

    def recorded(self) -> Recorder:
        recorder = Recorder(kinds=(Kind.CLIENT,))
        self.boundary.register(recorder)
        return recorder

    def prepared(self, **kwargs: Any) -> requests.PreparedRequest:
        return requests.Request("GET", self.origin.url, **kwargs).prepare()

    def test_a_prepared_request_that_is_sent_again_carries_nothing_of_the_first_time(self) -> None:
        prepared, session = self.prepared(), requests.Session()
        before = dict(prepared.headers)
        with attached(EMPTY.pack("tenant", "acme")):
            session.send(prepared)
        session.send(prepared)
        with attached(EMPTY):
            session.send(prepared)
        carried = [read_header(received.baggage or "").keys() for received in self.origin.received]
        assert carried == [("tenant",), (), ()]
        assert prepared.headers == before

    def test_a_prepared_request_may_be_sent_by_several_threads_at_a_time(self) -> None:
        prepared = self.prepared()

        def send(n: int) -> None:
            with attached(EMPTY.pack("n", n)), requests.Session() as session:
                for _ in range(5):
                    session.send(prepared)

        threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        carried = [
            read_header(received.baggage or "").unpack("n") for received in self.origin.received
        ]
        assert sorted(carried) == sorted([(n,) for n in range(4)] * 5)

    def test_a_response_names_the_request_that_was_sent(self) -> None:
        pack("tenant", "acme")
        self.recorded()
        prepared = self.prepared()
        assert requests.Session().send(prepared).request is prepared

    def test_an_error_names_the_request_that_was_sent(self) -> None:
        pack("tenant", "acme")
        prepared = requests.Request("GET", "http://127.0.0.1:1/").prepare()
        error = failure(lambda: requests.Session().send(prepared))
        assert isinstance(error, requests.ConnectionError)
        assert error.request is prepared

    def test_redirects_are_remembered_as_ever(self) -> None:
        self.origin.answer = lambda _: (
            Reply(302, {"Location": "/there"}) if len(self.origin.received) == 1 else Reply()
        )
        pack("tenant", "acme")
        response = requests.get(self.origin.url, timeout=LIMIT)
        assert [each.status_code for each in response.history] == [302]
        assert response.request.url == self.origin.url + "there"

    def test_an_authentication_that_calls_again_is_another_attempt(self) -> None:
        challenge = 'Digest realm="r", nonce="n", qop="auth"'

        def answer(received: Received) -> Reply:
            if "authorization" in received.headers:
                return Reply()
            return Reply(401, {"WWW-Authenticate": challenge})

        self.origin.answer = answer
        recorder = self.recorded()
        pack("tenant", "acme")
        response = requests.get(self.origin.url, auth=HTTPDigestAuth("u", "p"), timeout=LIMIT)
        assert response.status_code == 200
        assert len(recorder.ended) == len(self.origin.received) == 2
        assert all(received.baggage for received in self.origin.received)

    @pytest.mark.parametrize(
        ("timeout", "seconds"),
        [
            (None, None),
            (3, 3.0),
            ((1, 2.5), 2.5),
            ((1, None), 1.0),
            (Timeout(total=4), 4.0),
            (Timeout(connect=1, read=2), 2.0),
            (Timeout(total=1, read=2), 1.0),
            (Timeout(), None),
        ],
    )
    def test_a_timeout_in_any_form_is_told_in_seconds(
        self, timeout: Any, seconds: float | None
    ) -> None:
        recorder = self.recorded()
        requests.get(self.origin.url, timeout=timeout)
        assert recorder.ended[0].call.timeout == seconds

    def test_a_digest_of_what_is_asked_tells_bodies_and_queries_apart(self) -> None:
        recorder = self.recorded()
        url = self.origin.url
        asked: list[tuple[str, Any]] = [("", "a"), ("", "a"), ("?q", "a"), ("", "b"), ("", b"a")]
        for query, content in asked:
            requests.post(url + query, data=content, timeout=LIMIT)
        requests.post(url, data=iter([b"a"]), timeout=LIMIT, headers={"Content-Length": "1"})
        first, second, longer, other, as_bytes, stream = (c.call.payload for c in recorder.ended)
        assert first == second == as_bytes
        assert len({first, longer, other}) == 3
        assert stream is None

    def test_headers_in_bytes_are_read(self) -> None:
        pack("tenant", "acme")
        requests.get(self.origin.url, headers={"baggage": b"own=1"}, timeout=LIMIT)
        assert read_header(self.origin.received[0].baggage or "").foreign == ("own=1",)

    def test_an_adapter_may_be_called_by_hand(self) -> None:
        recorder = self.recorded()
        response = HTTPAdapter().send(self.prepared(), True, LIMIT)
        assert response.status_code == 200
        assert recorder.ended[0].call.timeout == LIMIT
        assert response.raw.read() == b"done"

    def test_a_wrong_option_fails_as_ever(self) -> None:
        self.recorded()
        with pytest.raises(TypeError):
            HTTPAdapter().send(self.prepared(), nonsense=1)  # type: ignore[call-arg]

    def test_a_body_that_breaks_off_is_part_of_the_outcome(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nbroken"
        self.origin.answer = lambda _: head
        recorder = self.recorded()
        error = failure(lambda: requests.get(self.origin.url, timeout=LIMIT))
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert outcome.error is error
        assert isinstance(error, requests.exceptions.ChunkedEncodingError)

    def test_facts_of_a_stream_say_nothing_of_its_body(self) -> None:
        recorder = self.recorded()
        response = requests.get(self.origin.url, stream=True, timeout=LIMIT)
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Returned)
        assert (outcome.facts.digest(), outcome.facts.size()) == (None, None)
        assert response.raw.read() == b"done"

    def test_a_redirect_is_known_by_where_it_leads(self) -> None:
        self.origin.answer = lambda received: Reply(302, {"Location": received.target + "/x"})
        recorder = self.recorded()
        for path in ("a", "a", "b"):
            requests.get(self.origin.url + path, allow_redirects=False, timeout=LIMIT)
        outcomes = [each.outcome for each in recorder.ended]
        first, second, other = (
            each.facts.digest() for each in outcomes if isinstance(each, Returned)
        )
        assert first == second != other

    def test_a_broken_body_of_a_redirect_is_forgiven_as_ever(self) -> None:
        head = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 9\r\n\r\nshort"
        self.origin.answer = lambda _: head if len(self.origin.received) == 1 else Reply()
        recorder = self.recorded()
        assert requests.get(self.origin.url, timeout=LIMIT).status_code == 200
        assert len(recorder.ended) == 2

    def test_sessions_can_be_copied(self) -> None:
        pack("tenant", "acme")
        session = copy.copy(requests.Session())
        session.get(self.origin.url, timeout=LIMIT)
        assert self.origin.received[0].baggage
