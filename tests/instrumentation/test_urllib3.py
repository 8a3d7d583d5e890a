"""urllib3, by a manager, by a pool and by its function, keeps what every HTTP client has to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import MaxRetryError, ProtocolError
from urllib3.util import Retry

from baggage.instrumentation import urllib3 as instrumentation
from baggage.testing.http_client import HttpClientSuite, Send

TIMEOUT = 300
# Redirects are followed, and nothing else is tried again.
ONCE = Retry(5, connect=0, read=0)
THRICE = Retry(total=2, status_forcelist=[503], allowed_methods=None, raise_on_status=False)


class TestManager(HttpClientSuite):
    instrumentation: ClassVar = instrumentation

    def sender(self) -> Send:
        return self.sender_with({})

    def sender_with(self, headers: Mapping[str, str]) -> Send:
        return self.sending(headers=headers)

    def hasty(self) -> Send:
        return self.sending(timeout=0.05)

    def retrying(self) -> Send:
        return self.sending(retries=THRICE)

    def sending(self, **options: Any) -> Send:
        manager = urllib3.PoolManager()
        options = {"retries": ONCE, "timeout": TIMEOUT, **options}
        return lambda url: manager.request("GET", url, **options)

    def streaming(self) -> Callable[[str], Iterator[bytes]]:
        send = self.sending(preload_content=False)

        def stream(url: str) -> Iterator[bytes]:
            chunks: Iterator[bytes] = send(url).stream()
            return chunks

        return stream

    def status(self, response: Any) -> int:
        return int(response.status)

    def body(self, response: Any) -> bytes:
        return bytes(response.data)

    def told(self, seen: object) -> object:
        """An attempt is told of what its connection raised."""
        if isinstance(seen, MaxRetryError):
            seen = seen.reason
        return seen.args[1] if isinstance(seen, ProtocolError) else seen


class TestPool(TestManager):
    def sending(self, **options: Any) -> Send:
        pools: dict[str, urllib3.HTTPConnectionPool] = {}
        options = {"retries": ONCE, "timeout": TIMEOUT, **options}

        def send(url: str) -> Any:
            if url not in pools:
                pools[url] = urllib3.connection_from_url(url)
            return pools[url].urlopen("POST", urlsplit(url).path, body=b"x", **options)

        return send

    # A pool goes to no other host.
    test_a_redirect_to_a_host_that_may_not_receive_baggage_takes_none_there: Any = None


class TestFunction(TestManager):
    def sending(self, **options: Any) -> Send:
        options = {"retries": ONCE, "timeout": TIMEOUT, **options}
        return lambda url: urllib3.request("PUT", url, json={}, **options)
