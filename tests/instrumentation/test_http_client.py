"""http.client, and what `urllib.request` opens by it, keep what every HTTP client has to."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

from baggage.instrumentation import http_client as instrumentation
from baggage.testing.http_client import HttpClientSuite, Send

TIMEOUT = 300


class Low(HttpClientSuite):
    """A client that leaves bodies to the application, and tries nothing again."""

    instrumentation: ClassVar = instrumentation

    # No body is read before the crossing ends.
    test_the_answer_is_told_with_its_facts: Any = None
    test_each_retry_that_the_hook_can_see_is_an_attempt: Any = None

    opened: ExitStack

    @pytest.fixture(autouse=True)
    def _opened(self, _origin: None) -> Iterator[None]:
        with ExitStack() as self.opened:
            yield

    def sender(self) -> Send:
        return self.sender_with({})

    def retrying(self) -> Send:
        raise NotImplementedError

    def status(self, response: Any) -> int:
        return int(response.status)

    def body(self, response: Any) -> bytes:
        return bytes(response.read())

    def streaming(self) -> Callable[[str], Iterator[bytes]]:
        send = self.sender()

        def stream(url: str) -> Iterator[bytes]:
            response = send(url)
            while chunk := response.read1():
                yield chunk

        return stream


class TestConnection(Low):
    # Who follows redirects does so by calls of their own.
    test_a_redirect_is_two_attempts: Any = None
    test_a_redirect_to_a_host_that_may_not_receive_baggage_takes_none_there: Any = None

    def sender_with(self, headers: Mapping[str, str]) -> Send:
        return self.sending(headers, TIMEOUT)

    def hasty(self) -> Send:
        return self.sending({}, 0.05)

    def connect(self, url: str, timeout: float) -> HTTPConnection:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=timeout)
        self.opened.callback(connection.close)
        return connection

    def sending(self, headers: Mapping[str, str], timeout: float) -> Send:
        return lambda url: ask(self.connect(url, timeout), url, headers)


def target(url: str) -> str:
    return urlsplit(url)._replace(scheme="", netloc="").geturl()


def ask(connection: HTTPConnection, url: str, headers: Mapping[str, str]) -> HTTPResponse:
    connection.request("GET", target(url), headers=dict(headers))
    return connection.getresponse()


class TestKeptConnection(TestConnection):
    """One connection for each host, which is closed where a call failed."""

    # One connection makes one call at a time.
    test_concurrent_calls_over_one_client_carry_their_own: Any = None

    def sending(self, headers: Mapping[str, str], timeout: float) -> Send:
        connections: dict[str, HTTPConnection] = {}
        answers: dict[str, HTTPResponse] = {}

        def send(url: str) -> HTTPResponse:
            host = urlsplit(url).netloc
            connection = connections.get(host)
            if connection is None:
                connection = connections[host] = self.connect(url, timeout)
            if host in answers:
                answers.pop(host).read()
            try:
                answers[host] = response = ask(connection, url, headers)
            except OSError:
                connection.close()
                raise
            return response

        return send


class TestStepByStep(TestConnection):
    """The steps that `HTTPConnection.request` takes, one by one."""

    def sending(self, headers: Mapping[str, str], timeout: float) -> Send:
        def send(url: str) -> HTTPResponse:
            connection = self.connect(url, timeout)
            connection.putrequest("POST", target(url))
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", "4")
            connection.endheaders()
            connection.send(b"body")
            return connection.getresponse()

        return send


class TestUrlopen(Low):
    def sender_with(self, headers: Mapping[str, str]) -> Send:
        return self.opening(headers, TIMEOUT)

    def hasty(self) -> Send:
        return self.opening({}, 0.05)

    def opening(self, headers: Mapping[str, str], timeout: float) -> Send:
        def send(url: str) -> Any:
            request = urllib.request.Request(url, headers=dict(headers))
            try:
                response = urllib.request.urlopen(request, timeout=timeout)
            except urllib.error.HTTPError as error:
                response = error
            self.opened.callback(response.close)
            return response

        return send

    def told(self, seen: object) -> object:
        if isinstance(seen, urllib.error.HTTPError):
            return seen.fp
        return seen.reason if isinstance(seen, urllib.error.URLError) else seen
