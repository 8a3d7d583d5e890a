"""An application over real HTTP: each service a Flask application on loopback, called by requests.

`python -m tests.filibuster.apps.served SEED` serves it until its standard input ends, after one
line that says where: a port for each service. Programs that await run in threads here.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from threading import Thread
from typing import Any, Final

import baggage
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.coordinator import Coordinator
from tests.filibuster.apps import serving
from tests.filibuster.apps.network import KEY, Network
from tests.filibuster.apps.post import Refused, Reply, Request, TooLate, Torn, checked
from tests.filibuster.apps.program import Application, Program
from tests.filibuster.apps.serving import Work, awaited, completed

HOST: Final = "127.0.0.1"
_PATIENCE: Final = 300.0


class Remote(Network):
    """An application that another process serves; the functional test runs in this one."""

    def __init__(
        self, application: Application, coordinator: Coordinator, ports: Mapping[str, int]
    ) -> None:
        """Call the services at these ports."""
        self._ports = ports
        super().__init__(application, coordinator)

    def serve(self, request: Request) -> Reply:
        """Send a request, and return the reply."""
        connection = HTTPConnection(HOST, self._ports[request.target], timeout=_PATIENCE)
        try:
            connection.request("POST", f"/{request.target}", request.body, dict(request.headers))
            response = connection.getresponse()
            reply = Reply(response.status, response.read())
            for name, value in response.getheaders():
                reply.headers.set(name.lower(), value)
            return reply
        finally:
            connection.close()

    async def aserve(self, request: Request) -> Reply:
        """Send a request; nobody else runs meanwhile."""
        return self.serve(request)


@contextmanager
def served(seed: int) -> Iterator[Mapping[str, int]]:
    """Serve the application of a seed in another process; yield its ports."""
    command = [sys.executable, "-m", __name__, str(seed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(_PATIENCE)


class _Scope:
    """Calls by requests, branches by threads."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports

    async def call(self, request: Request, library: str) -> Reply:
        import requests

        timeout = None if request.timeout is None else _PATIENCE
        url = f"http://{HOST}:{self._ports[request.target]}/{request.target}"
        try:
            response = requests.post(  # noqa: ASYNC210 - nothing else runs in this thread
                url, data=request.body, timeout=timeout
            )
        except requests.Timeout as error:
            raise TooLate from error
        except requests.ConnectionError as error:
            raise (Torn if "reset" in str(error) else Refused) from error
        return checked(library, Reply(response.status_code, response.content))

    def fork(self, work: Work) -> Work:
        ended: list[Any] = []
        thread = Thread(target=lambda: ended.append(completed(awaited(work))))
        thread.start()

        async def join() -> Any:
            thread.join()
            return ended[0]

        return join


def _answering(program: Program, scope: _Scope) -> Callable[[], tuple[bytes, int]]:
    from flask import request

    def answer() -> tuple[bytes, int]:
        asked = Request(program.name, "", request.get_data())
        reply = completed(serving.serve(scope, program, asked))
        return reply.body, reply.status

    return answer


def _main(seed: int) -> None:
    from flask import Flask
    from werkzeug.serving import make_server

    from baggage.instrumentation.flask import name_service
    from tests.filibuster.apps.generate import generated

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    baggage.instrument("requests", "flask", "threading")
    baggage.register(Filibuster((KEY,)))
    ports: dict[str, int] = {}
    scope = _Scope(ports)
    for name, program in generated(seed).programs.items():
        app = Flask(name)
        name_service(app, name)
        app.add_url_rule(f"/{name}", name, _answering(program, scope), methods=["POST"])
        server = make_server(HOST, 0, app, threaded=True)
        ports[name] = server.server_port
        Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
