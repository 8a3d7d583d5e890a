"""An injected fault of requests is told from a real one by nothing that an application can see."""

from __future__ import annotations

import pickle
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Timeout
from urllib3.util import Retry

from baggage.boundary import Fault, FaultKind, Inject
from baggage.instrumentation import requests as instrumentation
from baggage.testing import HANG, RESET, Reply, Scripted
from baggage.testing.suite import InstrumentationSuite, chain, failure
from tests.instrumentation.real_faults import answering, full, refusing

REFUSED = Fault(FaultKind.REFUSED)
TIMEOUT = Fault(FaultKind.TIMEOUT)
RESETTING = Fault(FaultKind.RESET)
SHORT, LONG = 0.05, 60

Ask = Callable[..., Any]


def raising(name: str) -> Fault:
    return Fault(FaultKind.RAISE, name=f"requests.exceptions.{name}")


def get(url: str, limit: float = LONG) -> requests.Response:
    return requests.get(url, timeout=limit)


def post(url: str, limit: float = LONG) -> requests.Response:
    return requests.post(url, json={"a": 1}, timeout=(limit, limit))


def with_retries(url: str, limit: float = LONG) -> requests.Response:
    session = requests.Session()
    retry = Retry(total=2, backoff_factor=0, status_forcelist=[503], allowed_methods=None)
    session.mount("http://", HTTPAdapter(max_retries=retry))
    return session.get(url, timeout=limit)


def in_total(url: str, limit: float = LONG) -> requests.Response:
    return requests.get(url, timeout=Timeout(connect=limit, read=limit))  # type: ignore[arg-type]


ASKS = pytest.mark.parametrize("ask", [get, post, with_retries, in_total])


BROKEN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nbroken"


def unaddressed(text: str) -> str:
    return re.sub(r"port=\d+|0x[0-9a-f]+|timeout=[\d.]+", "…", text)


def named(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def shown(error: BaseException) -> list[object]:
    """Return all that an application can see of an exception, but ports, addresses and times."""
    links: list[object] = list(chain(error))
    link: BaseException | None = error
    while link is not None:
        links += [unaddressed(str(link)), unaddressed(repr(link))]
        links += [[named(arg) for arg in link.args], getattr(link, "errno", None)]
        reason = getattr(link, "reason", None)
        links += [type(reason), sorted(vars(link))]
        link = link.__cause__ or link.__context__
    assert isinstance(error, requests.RequestException)
    request, response = error.request, error.response
    if request is None:  # A body that breaks off is of no request, says requests.
        return [*links, response]
    assert isinstance(request, requests.PreparedRequest)
    links += [type(request), request.method, request.body, dict(request.headers), response]
    return links


class TestFaults(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    def inject(self, fault: Fault) -> Scripted:
        scripted = Scripted(Inject(fault))
        self.boundary.register(scripted)
        return scripted

    def injected(self, fault: Fault, ask: Ask, url: str) -> list[object]:
        scripted = self.inject(fault)
        found = shown(failure(lambda: ask(url)))
        assert scripted.saw[0].injected == fault
        self.boundary.unregister(scripted.name)
        return found

    @ASKS
    @pytest.mark.parametrize("fault", [REFUSED, raising("ConnectionError")])
    def test_a_refused_connection(self, ask: Ask, fault: Fault) -> None:
        with refusing() as url:
            real = shown(failure(lambda: ask(url)))
            assert self.injected(fault, ask, url) == real

    @ASKS
    @pytest.mark.parametrize("fault", [TIMEOUT, raising("ReadTimeout"), raising("Timeout")])
    def test_a_timeout(self, ask: Ask, fault: Fault) -> None:
        with answering(HANG) as url:
            hasty = partial(ask, limit=SHORT)
            real = shown(failure(lambda: hasty(url)))
            assert self.injected(fault, hasty, url) == real

    @ASKS
    def test_a_reset_connection(self, ask: Ask) -> None:
        with answering(RESET) as url:
            real = shown(failure(lambda: ask(url)))
            assert self.injected(RESETTING, ask, url) == real

    @pytest.mark.parametrize("ask", [get, post, in_total])
    def test_a_connection_that_is_never_accepted(self, ask: Ask) -> None:
        with full() as url:
            hasty = partial(ask, limit=SHORT)
            real = shown(failure(lambda: hasty(url)))
            assert self.injected(raising("ConnectTimeout"), hasty, url) == real

    def test_a_body_that_ends_too_early(self) -> None:
        with answering(lambda _: BROKEN) as url:
            real = shown(failure(lambda: get(url)))
            assert self.injected(raising("ChunkedEncodingError"), get, url) == real

    def test_retries_that_are_used_up(self) -> None:
        with answering(Reply(503)) as url:
            real = shown(failure(lambda: with_retries(url)))
            status = Fault(FaultKind.STATUS, status=503)
            assert self.injected(status, with_retries, url) == real

    @pytest.mark.parametrize("status", [200, 204, 302, 404, 500, 503, 599])
    @pytest.mark.parametrize("stream", [False, True])
    def test_a_status(self, status: int, stream: bool) -> None:
        body = b"" if status == 204 else b"not json"
        with answering(Reply(status, body=body)) as url, requests.Session() as session:
            real = session.get(url, timeout=LONG, stream=stream)
            self.inject(Fault(FaultKind.STATUS, status=status, body=body))
            fake = session.get(url, timeout=LONG, stream=stream)
            for look in LOOKS:
                assert told(look, fake) == told(look, real), look
            assert type(fake.connection) is type(real.connection)

    def test_an_https_address(self) -> None:
        with refusing() as url:
            url = url.replace("http:", "https:")
            real = shown(failure(lambda: get(url)))
            assert self.injected(REFUSED, get, url) == real

    @pytest.mark.parametrize("status", [200, 503])
    def test_an_https_address_answers(self, status: int) -> None:
        self.inject(Fault(FaultKind.STATUS, status=status))
        assert requests.get("https://127.0.0.1:1/", timeout=LONG).status_code == status

    @pytest.mark.parametrize(
        "name", ["SSLError", "ProxyError", "TooManyRedirects", "ContentDecodingError"]
    )
    def test_an_exception_by_name(self, name: str) -> None:
        self.inject(raising(name))
        error = failure(lambda: get("http://127.0.0.1:1/"))
        assert type(error) is getattr(requests.exceptions, name)
        assert isinstance(error, requests.RequestException)
        assert error.request is not None

    @pytest.mark.parametrize(
        "fault",
        [
            raising("JSONDecodeError"),
            raising("Nothing"),
            raising("RequestsWarning"),
            Fault(FaultKind.RAISE, name="os.system"),
            Fault(FaultKind.RAISE),
            Fault(FaultKind.STATUS),
            Fault(FaultKind.STATUS, status=100),
            Fault(FaultKind.CANCELLED),
            Fault(FaultKind.BODY, body=b"x"),
        ],
    )
    def test_what_requests_never_does_is_not_enacted(self, fault: Fault) -> None:
        scripted = self.inject(fault)
        with answering(Reply()) as url:
            assert get(url).status_code == 200
        assert scripted.saw[0].injected is None

    def test_the_adapter_of_a_response_is_the_applications(self) -> None:
        adapter = HTTPAdapter()
        session = requests.Session()
        session.mount("http://", adapter)
        self.inject(Fault(FaultKind.STATUS, status=503))
        response = session.get("http://127.0.0.1:1/", timeout=LONG)
        assert response.connection is adapter

    def test_a_way_to_build_responses_is_the_applications(self) -> None:
        class Building(HTTPAdapter):
            def build_response(self, req: Any, resp: Any) -> requests.Response:
                response = super().build_response(req, resp)
                response.built = True  # type: ignore[attr-defined]
                return response

        session = requests.Session()
        session.mount("http://", Building())
        self.inject(Fault(FaultKind.STATUS, status=503))
        assert session.get("http://127.0.0.1:1/", timeout=LONG).built  # type: ignore[attr-defined]

    def test_hooks_of_the_application_are_called(self) -> None:
        self.inject(Fault(FaultKind.STATUS, status=503))
        seen: list[int] = []

        def hook(response: requests.Response, **_: object) -> None:
            seen.append(response.status_code)

        requests.get("http://127.0.0.1:1/", timeout=LONG, hooks={"response": hook})
        assert seen == [503]

    def test_the_request_of_an_error_is_the_applications(self) -> None:
        self.inject(REFUSED)
        session = requests.Session()
        prepared = session.prepare_request(requests.Request("GET", "http://127.0.0.1:1/"))
        error = failure(lambda: session.send(prepared))
        assert isinstance(error, requests.RequestException)
        assert error.request is prepared

    def test_threads_may_inject_at_a_time(self) -> None:
        self.inject(REFUSED)
        found: list[object] = []
        asks = [
            threading.Thread(
                target=lambda: found.append(failure(lambda: get("http://127.0.0.1:1/")))
            )
            for _ in range(8)
        ]
        for thread in asks:
            thread.start()
        for thread in asks:
            thread.join()
        assert {type(error) for error in found} == {requests.ConnectionError}
        assert len(set(map(id, found))) == 8


def told(look: Callable[[requests.Response], object], response: requests.Response) -> object:
    return error_of(lambda: look(response))


def error_of(step: Callable[[], object]) -> tuple[object, str]:
    try:
        return (step(), "")
    except Exception as error:
        return (type(error), unaddressed(re.sub(r":\d+/", ":…/", str(error))))


def restored(response: requests.Response) -> requests.Response:
    copied: requests.Response = pickle.loads(pickle.dumps(response))
    return copied


LOOKS: list[Callable[[requests.Response], object]] = [
    lambda it: (it.status_code, it.reason, it.ok, bool(it), it.is_redirect),
    lambda it: error_of(it.raise_for_status),
    lambda it: b"".join(it.iter_content(3)),
    lambda it: (it.content, it.text, it.encoding, it.apparent_encoding),
    lambda it: [*it.iter_content(2)],
    lambda it: [*it.iter_lines()],
    lambda it: error_of(it.json),
    lambda it: (it.history, it.cookies.get_dict(), it.next, it.links),
    lambda it: it.elapsed > timedelta(0),
    lambda it: (type(it.raw), it.raw.status, it.raw.reason, it.raw.version, it.raw.closed),
    lambda it: (it.raw.headers.get("content-length"), it.headers.get("content-length")),
    lambda it: (type(it.headers), it.url, type(it.request), dict(it.request.headers)),
    lambda it: (restored(it).content, restored(it).status_code, restored(it).url),
    lambda it: sorted(vars(it)),
    lambda it: it.close(),
]
