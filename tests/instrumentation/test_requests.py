"""requests, in each of its spellings, keeps what every HTTP client has to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from baggage.instrumentation import requests as instrumentation
from baggage.testing.http_client import HttpClientSuite, Send

TIMEOUT = 300


class TestGet(HttpClientSuite):
    instrumentation: ClassVar = instrumentation

    def sender(self) -> Send:
        return self.sender_with({})

    def sender_with(self, headers: Mapping[str, str]) -> Send:
        return lambda url: requests.get(url, timeout=TIMEOUT, headers=headers)

    def hasty(self) -> Send:
        return lambda url: requests.get(url, timeout=0.05)

    def session(self) -> requests.Session:
        return requests.Session()

    def retrying(self) -> Send:
        session = self.session()
        retry = Retry(total=2, status_forcelist=[503], allowed_methods=None)
        session.mount("http://", HTTPAdapter(max_retries=retry))
        return lambda url: session.get(url, timeout=TIMEOUT)

    def streaming(self) -> Callable[[str], Iterator[bytes]]:
        def stream(url: str) -> Iterator[bytes]:
            response = requests.get(url, stream=True, timeout=TIMEOUT)
            chunks: Iterator[bytes] = response.iter_content(None)
            return chunks

        return stream


class TestDelete(TestGet):
    def sender_with(self, headers: Mapping[str, str]) -> Send:
        return lambda url: requests.delete(url, timeout=TIMEOUT, headers=headers)


class TestPost(TestGet):
    def sender_with(self, headers: Mapping[str, str]) -> Send:
        return lambda url: requests.post(url, json={}, timeout=TIMEOUT, headers=headers)


class TestRequestByName(TestGet):
    def sender_with(self, headers: Mapping[str, str]) -> Send:
        return lambda url: requests.request("POST", url, timeout=TIMEOUT, headers=headers)


class TestSession(TestGet):
    def sender_with(self, headers: Mapping[str, str]) -> Send:
        session = self.session()
        session.headers.update(headers)
        return lambda url: session.get(url, timeout=TIMEOUT)


class TestPreparedRequest(TestGet):
    def sender_with(self, headers: Mapping[str, str]) -> Send:
        session = self.session()

        def send(url: str) -> requests.Response:
            prepared = session.prepare_request(requests.Request("PATCH", url, headers=headers))
            return session.send(prepared, timeout=TIMEOUT)

        return send


class Marking(HTTPAdapter):
    """A transport adapter of an application."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        request.headers["x-marked"] = "yes"
        return super().send(request, *args, **kwargs)


class TestMountedAdapter(TestSession):
    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount("http://", Marking())
        return session
