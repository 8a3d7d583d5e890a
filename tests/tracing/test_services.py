"""Traces of real services: Flask on loopback, called by requests."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from baggage.boundary import (
    PROCEED,
    Call,
    Fault,
    FaultKind,
    Flow,
    Inject,
    Interest,
    Kind,
    MetaApp,
    Policy,
)
from baggage.instrumentation.flask import name_service
from baggage.runtime import Runtime, Settings
from metaapps.tracing.app import Tracing
from metaapps.tracing.export.file import read
from metaapps.tracing.span import Span

Fan = Callable[[list[str]], None]

SERVICE = """
import sys
import baggage
baggage.instrument(service=sys.argv[1])
import requests
from flask import Flask
from werkzeug.serving import make_server

app = Flask(sys.argv[1])

@app.get("/")
def call():
    for url in sys.argv[2:]:
        requests.get(url, timeout=300).raise_for_status()
    return "done"

server = make_server("127.0.0.1", 0, app, threaded=True)
sys.stdout.write(f"{server.port}\\n")
sys.stdout.flush()
server.serve_forever()
"""


class Refuse:
    """A meta-application that lets calls to one address fail."""

    name = "refuse"

    def __init__(self, url: str) -> None:
        self._url = url

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.AROUND if kind is Kind.CLIENT else Interest.NONE

    def around(self, call: Call) -> Flow:
        refused = self._url == call.arguments["url"]
        yield Inject(Fault(FaultKind.REFUSED)) if refused else PROCEED
        return None


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve an application in a thread; yields its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def service(name: str, *urls: str, fan: Fan | None = None) -> Flask:
    """Make a service that calls these addresses, and answers."""
    app = Flask(name)
    name_service(app, name)

    @app.get("/")
    def call() -> str:
        (fan or in_one_thread)(list(urls))
        return "done"

    return app


def get(url: str) -> None:
    requests.get(url, timeout=300)


def in_one_thread(urls: list[str]) -> None:
    for url in urls:
        get(url)


def in_threads(urls: list[str]) -> None:
    threads = [threading.Thread(target=get, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_a_pool(urls: list[str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(get, urls))


@contextmanager
def instrumented(*apps: MetaApp) -> Iterator[None]:
    runtime = Runtime(Settings(Policy(service="test", strict=True), metaapps=frozenset()))
    for app in apps:
        runtime.register(app)
    runtime.instrument("requests", "flask", "threading", "concurrent.futures")
    try:
        yield
    finally:
        runtime.uninstrument()


def links(spans: list[Span]) -> Counter[tuple[str, str]]:
    """Count (service called from, service called), by the ids of the spans alone."""
    servers = {s.position.span_id: s.local.service for s in spans if s.kind is Kind.SERVER}
    calls = [span for span in spans if span.kind is Kind.CLIENT]
    return Counter(
        (
            servers.get(call.position.parent_id or "", "test"),
            servers.get(call.position.span_id, "nobody"),
        )
        for call in calls
    )


@pytest.mark.parametrize("share", [True, False])
def test_a_request_over_three_services_is_one_trace(share: bool) -> None:
    spans: list[Span] = []
    with ExitStack() as stack:
        stock = stack.enter_context(served(service("stock")))
        catalog = stack.enter_context(served(service("catalog", stock)))
        shop = stack.enter_context(served(service("shop", catalog)))
        with instrumented(Tracing(spans.append, share=share)):
            get(shop)
    assert len({span.position.trace_id for span in spans}) == 1
    ends = [(span.local.service, span.kind) for span in spans]
    assert ends == [
        ("stock", Kind.SERVER),
        ("catalog", Kind.CLIENT),
        ("catalog", Kind.SERVER),
        ("shop", Kind.CLIENT),
        ("shop", Kind.SERVER),
        ("test", Kind.CLIENT),
    ]
    # From the inside out, each span's parent is the next one's span; halves share one id.
    ids = [span.position.span_id for span in spans]
    parents = [span.position.parent_id for span in spans]
    if share:
        assert ids[0::2] == ids[1::2]
        assert parents == [ids[2], ids[2], ids[4], ids[4], None, None]
    else:
        assert parents == [*ids[1:], None]
    assert [span.shared for span in spans] == [share, False] * 3
    assert [span.remote.service for span in spans if span.kind is Kind.CLIENT] == [
        "stock",
        "catalog",
        "shop",
    ]


@pytest.mark.parametrize("fan", [in_one_thread, in_threads, in_a_pool])
def test_siblings_are_siblings(fan: Fan) -> None:
    spans: list[Span] = []
    with ExitStack() as stack:
        stock = stack.enter_context(served(service("stock")))
        catalog = stack.enter_context(served(service("catalog", stock)))
        shop = stack.enter_context(served(service("shop", *[catalog] * 4, fan=fan)))
        with instrumented(Tracing(spans.append)):
            get(shop)
            get(shop)
    assert links(spans) == {("test", "shop"): 2, ("shop", "catalog"): 8, ("catalog", "stock"): 8}
    assert Counter(span.position.trace_id for span in spans).most_common()[0][1] == 18
    server = next(s for s in spans if (s.kind, s.local.service) == (Kind.SERVER, "shop"))
    siblings = [
        span
        for span in spans
        if (span.kind, span.local.service) == (Kind.CLIENT, "shop")
        and span.position.parent_id == server.position.span_id
    ]
    assert len({span.position.span_id for span in siblings}) == 4


@pytest.mark.parametrize("tracing_first", [True, False])
def test_in_either_order_a_fault_of_another_leaves_the_trace_right(tracing_first: bool) -> None:
    spans: list[Span] = []
    raised: list[Exception] = []

    def fan(urls: list[str]) -> None:
        for url in urls:
            try:
                get(url)
            except requests.ConnectionError as error:
                raised.append(error)

    with ExitStack() as stack:
        stock = stack.enter_context(served(service("stock")))
        catalog = stack.enter_context(served(service("catalog")))
        shop = stack.enter_context(served(service("shop", catalog, stock, catalog, fan=fan)))
        apps: list[MetaApp] = [Tracing(spans.append), Refuse(stock)]
        with instrumented(*(apps if tracing_first else reversed(apps))):
            get(shop)
    assert len(raised) == 1
    found = links(spans)
    assert found.pop(("shop", "nobody")) == 1
    assert found == {("test", "shop"): 1, ("shop", "catalog"): 2}
    (failed,) = (span for span in spans if span.error is not None)
    assert failed.tags["fault.injected"] == "refused"
    assert (failed.error or "").startswith("requests.exceptions.ConnectionError: ")


def test_a_call_that_fails_by_itself_is_an_error() -> None:
    spans: list[Span] = []
    app = Flask("shop")
    with served(app) as url:
        closed = url
    with served(service("shop")) as shop, instrumented(Tracing(spans.append)):
        requests.get(f"{shop}nothing", timeout=300)
        with pytest.raises(requests.ConnectionError):
            get(closed)
    assert [(span.kind, (span.error or "").partition(":")[0]) for span in spans] == [
        (Kind.SERVER, "404"),
        (Kind.CLIENT, "404"),
        (Kind.CLIENT, "requests.exceptions.ConnectionError"),
    ]


@contextmanager
def process(name: str, *urls: str, file: Path) -> Iterator[str]:
    """Run a service in a process of its own, wired by its environment; yields its address."""
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "BAGGAGE_METAAPPS": "tracing",
        "TRACING_FILE": str(file),
    }
    command = [sys.executable, "-W", "ignore", "-c", SERVICE, name, *urls]
    running = subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert running.stdout is not None
        yield f"http://127.0.0.1:{int(running.stdout.readline())}/"
    finally:
        running.kill()
        running.communicate()


def test_processes_write_one_file(tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    with ExitStack() as stack:
        stock = stack.enter_context(process("stock", file=file))
        catalog = stack.enter_context(process("catalog", stock, stock, file=file))
        shop = stack.enter_context(process("shop", catalog, file=file))
        for _ in range(5):
            requests.get(shop, timeout=300).raise_for_status()
    spans = list(read(file))
    assert Counter(span.position.trace_id for span in spans).most_common()[0][1] == 7
    assert links(spans) == {("shop", "catalog"): 5, ("catalog", "stock"): 10}
