"""A service that serves one request by four at once: `proxy.py setting method port…`.

Says its port, answers with the id of the trace, and ends. Sub-requests are made by the hooks on
http.client that stand in examples/tracing; nothing else sees them.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import baggage
from examples.tracing.hooks import Connection
from metaapps import tracing

SETTING, METHOD, *PORTS = sys.argv[1:]
Fan = Callable[[], object]


def sent(port: str) -> Connection:
    connection = Connection("127.0.0.1", int(port))
    connection.request(METHOD, "/")
    return connection


def received(connection: Connection) -> None:
    response = connection.getresponse()  # type: ignore[no-untyped-call]
    response.read()
    connection.close()
    response.close()


def call(port: str) -> None:
    received(sent(port))


def in_one_thread() -> None:
    """Read the answers in another order than that of the requests."""
    connections = [sent(port) for port in PORTS]
    for n in (2, 0, 3, 1):
        received(connections[n])


def in_threads() -> None:
    threads = [threading.Thread(target=call, args=(port,)) for port in PORTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_pool() -> Fan:
    """Use a pool whose threads have worked before, for nobody."""
    pool = ThreadPoolExecutor(4)
    barrier = threading.Barrier(4)
    list(pool.map(lambda _: barrier.wait(), range(4)))
    return lambda: list(pool.map(call, PORTS))


def in_gevent() -> None:
    import gevent

    gevent.joinall([gevent.spawn(call, port) for port in PORTS], raise_error=True)


def in_eventlet() -> None:
    import eventlet

    list(eventlet.GreenPool().imap(call, PORTS))


def by_hand(fan: Fan) -> None:
    """Serve without any instrumentation."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Served(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with tracing.join(self.headers, "served") as span:
                span.over(self.connection)
                fan()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(tracing.trace_id().encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Served)
    say(server.server_port)
    server.handle_request()


def app_of(fan: Fan) -> Any:
    from flask import Flask

    app = Flask("proxy")

    @app.get("/")
    def serve() -> str:
        fan()
        return tracing.trace_id()

    return app


def by_flask(fan: Fan) -> None:
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app_of(fan))
    say(server.port)
    server.handle_request()


def by_gevent(fan: Fan) -> None:
    from gevent.event import Event
    from gevent.pywsgi import WSGIServer

    done, app = Event(), app_of(fan)
    app.teardown_request(lambda _: done.set())
    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    say(server.server_port)
    done.wait()
    server.stop(timeout=10)


def by_eventlet(fan: Fan) -> None:
    import eventlet
    from eventlet import wsgi

    done, app = eventlet.Event(), app_of(fan)
    app.teardown_request(lambda _: done.send())
    sock = eventlet.listen(("127.0.0.1", 0))
    serving = eventlet.spawn(wsgi.server, sock, app, log_output=False)
    say(sock.getsockname()[1])
    done.wait()
    eventlet.sleep(0.1)
    serving.kill()


async def by_aiohttp() -> None:
    from aiohttp import web

    done = asyncio.Event()

    async def serve(_: web.Request) -> web.Response:
        await asyncio.gather(*(asyncio.to_thread(call, port) for port in PORTS))
        done.set()
        return web.Response(text=tracing.trace_id())

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    say(runner.addresses[0][1])
    await done.wait()
    await runner.cleanup()


def say(port: int) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


SETTINGS: dict[str, tuple[tuple[str, ...], Fan]] = {
    "one_thread": (("flask",), lambda: by_flask(in_one_thread)),
    "by_hand": (("threading",), lambda: by_hand(in_one_thread)),
    "threads": (("flask", "threading"), lambda: by_flask(in_threads)),
    "pool": (("flask", "threading", "concurrent.futures"), lambda: by_flask(in_pool())),
    "gather": (
        ("aiohttp.web", "asyncio", "concurrent.futures"),
        lambda: asyncio.run(by_aiohttp()),
    ),
    "gevent": (("flask", "gevent"), lambda: by_gevent(in_gevent)),
    "eventlet": (("flask", "eventlet"), lambda: by_eventlet(in_eventlet)),
}

if __name__ == "__main__":
    libraries, serves = SETTINGS[SETTING]
    baggage.instrument(*libraries, service="proxy")
    serves()
    tracing.flush()
