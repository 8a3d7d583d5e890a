"""Both instrumentations in one process, by `ORDER` and `IMPORTS`; prints "fine" at the end.

`ORDER` says who is installed first, "ours" or "theirs"; it's the other way round the second time.
With `IMPORTS` "early" all libraries are imported before that.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Any

from opentelemetry import baggage as theirs
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import baggage
from baggage.values import EMPTY

LIBRARIES = (
    "flask",
    "requests",
    "urllib3",
    "aiohttp",
    "aiohttp.web",
    "grpc",
    "threading",
    "asyncio",
)
INSTRUMENTORS = (
    ("flask", "FlaskInstrumentor"),
    ("requests", "RequestsInstrumentor"),
    ("urllib3", "URLLib3Instrumentor"),
    ("aiohttp_client", "AioHttpClientInstrumentor"),
    ("aiohttp_server", "AioHttpServerInstrumentor"),
    ("grpc", "GrpcInstrumentorServer"),
    ("grpc", "GrpcInstrumentorClient"),
    ("threading", "ThreadingInstrumentor"),
    ("asyncio", "AsyncioInstrumentor"),
)
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("test")
Seen = dict[str, Any]


def install(who: str) -> None:
    if who == "ours":
        baggage.instrument(service="both")
    else:
        for module, name in INSTRUMENTORS:
            instrumentor(module, name).instrument()


def remove(who: str) -> None:
    if who == "ours":
        baggage.uninstrument()
    else:
        for module, name in INSTRUMENTORS:
            instrumentor(module, name).uninstrument()


def instrumentor(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"opentelemetry.instrumentation.{module}"), name)()


def seen_here(headers: list[str]) -> Seen:
    """Return what a service sees of a request, having packed something to bring home."""
    found = {
        "headers": headers,
        "tenant": baggage.unpack("tenant"),
        "n": theirs.get_baggage("n"),
        "span": trace.get_current_span(),
    }
    baggage.pack("brought", "home")
    return found


class Services:
    """A service of each kind, in threads of this process, started for one check."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.stops: list[Callable[[], Any]] = []

    def stop(self) -> None:
        for stop in self.stops:
            stop()

    def flask(self) -> str:
        import flask
        from werkzeug.serving import make_server

        app = flask.Flask("served")

        @app.get("/")
        def served() -> str:
            header = flask.request.headers.get("baggage")
            self.seen.append(seen_here([] if header is None else [header]))
            return "ok"

        server = make_server("127.0.0.1", 0, app, threaded=True)
        bare(threading.Thread(target=server.serve_forever, daemon=True).start)
        self.stops.append(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}/"

    def grpc(self) -> str:
        import grpc

        def served(_: bytes, called: grpc.ServicerContext) -> bytes:
            metadata = called.invocation_metadata()
            self.seen.append(seen_here([str(value) for key, value in metadata if key == "baggage"]))
            return b"ok"

        server = grpc.server(ThreadPoolExecutor(1))
        methods: dict[str, Any] = {"Serve": grpc.unary_unary_rpc_method_handler(served)}
        generic = grpc.method_handlers_generic_handler("both.Both", methods)
        server.add_generic_rpc_handlers((generic,))
        port = server.add_insecure_port("127.0.0.1:0")
        bare(server.start)
        self.stops.append(lambda: server.stop(None).wait())
        return f"127.0.0.1:{port}"

    async def aiohttp(self) -> tuple[str, Any]:
        from aiohttp import web

        async def served(request: web.Request) -> web.Response:
            self.seen.append(seen_here(list(request.headers.getall("baggage", []))))
            return web.Response(text="ok")

        app = web.Application()
        app.router.add_get("/", served)
        runner = web.AppRunner(app)

        async def start() -> None:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()

        await asyncio.create_task(start(), context=Context())
        return f"http://127.0.0.1:{runner.addresses[0][1]}/", runner


def bare(start: Callable[[], object]) -> None:
    """Start what belongs to nobody."""
    token = context.attach(context.Context())
    try:
        with baggage.attached(EMPTY):
            start()
    finally:
        context.detach(token)


def by_requests(services: Services) -> None:
    import requests

    assert requests.get(services.flask(), timeout=300).text == "ok"


def by_urllib3(services: Services) -> None:
    import urllib3

    assert urllib3.PoolManager().request("GET", services.flask()).data == b"ok"


def by_grpc(services: Services) -> None:
    import grpc

    with grpc.insecure_channel(services.grpc()) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes]
        call = channel.unary_unary("/both.Both/Serve")
        assert call(b"", timeout=300) == b"ok"


def by_aiohttp(services: Services) -> None:
    async def ask() -> None:
        from aiohttp import ClientSession

        url, runner = await services.aiohttp()
        async with ClientSession() as session, session.get(url) as answer:
            assert await answer.text() == "ok"
        await runner.cleanup()

    asyncio.run(ask())


def by_threads(services: Services) -> None:
    def work() -> None:
        services.seen.append(seen_here([]))

    for starts in (threading.Thread(target=work), threading.Timer(0, work)):
        starts.start()
        starts.join()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


CALLS = (by_requests, by_urllib3, by_grpc, by_aiohttp)


def check(ours: bool, others: bool) -> None:
    for call in CALLS:
        check_call(call, ours, others)
    services = Services()
    found = tried(by_threads, services)
    for seen in services.seen:
        assert seen["tenant"] == (("acme",) if ours else ()), seen
        assert seen["n"] == ("1" if others else None), seen
    brought = found.unpack("brought")
    assert brought == (("home",) * 3 if ours else ()), (ours, others, brought)


def check_call(call: Callable[[Services], None], ours: bool, others: bool) -> None:
    exporter.clear()
    services = Services()
    try:
        found = tried(call, services)
    finally:
        services.stop()
    (seen,) = services.seen
    where = call.__name__, ours, others, seen
    assert len(seen["headers"]) == (ours or others), where
    members = ",".join(seen["headers"]).split(",")
    assert [each.partition("=")[0] for each in members if each].count("causal") == ours, where
    assert [each for each in members if each.startswith("n=")] == (["n=1"] if others else []), where
    assert seen["tenant"] == (("acme",) if ours else ()), where
    assert found.unpack("brought") == (("home",) if ours else ()), where
    if others:
        check_spans(call.__name__)


def check_spans(where: str) -> None:
    """Check that the server's span is below the client's, and that below the root."""
    spans = exporter.get_finished_spans()
    kinds = {kind: [span for span in spans if span.kind is kind] for kind in trace.SpanKind}
    (server,), (client,) = kinds[trace.SpanKind.SERVER], kinds[trace.SpanKind.CLIENT]
    (root,) = [span for span in spans if span.name == "root"]
    assert server.parent is not None, where
    assert client.parent is not None, where
    assert client.context is not None, where
    assert root.context is not None, where
    assert server.parent.span_id == client.context.span_id, (where, spans)
    above = {span.context.span_id: span for span in spans if span.context is not None}
    parent = above[client.parent.span_id]
    assert parent is root or parent.parent is not None, (where, spans)
    assert {span.context.trace_id for span in spans if span.context} == {root.context.trace_id}


def tried(call: Callable[[Services], None], services: Services) -> baggage.Baggage:
    with tracer.start_as_current_span("root"), baggage.attached(EMPTY) as running:
        baggage.pack("tenant", "acme")
        token = context.attach(theirs.set_baggage("n", "1"))
        call(services)
        context.detach(token)
        return running.baggage


def main() -> None:
    first, second = ("ours", "theirs") if os.environ["ORDER"] == "ours" else ("theirs", "ours")
    if os.environ["IMPORTS"] == "early":
        for library in LIBRARIES:
            importlib.import_module(library)
    for one, other in ((first, second), (second, first)):
        install(one)
        install(other)
        check(ours=True, others=True)
        remove(one)
        check(ours=one != "ours", others=one != "theirs")
        remove(other)
        check(ours=False, others=False)
    sys.stdout.write("fine")


main()
