"""The server that foreign instrumentation asks: the original's HTTP protocol.

One execution at a time, since the protocol's messages name none. Whatever is asked, the answer is
JSON; what can't be answered gets a status 4xx and a reason, and changes nothing.
"""

from __future__ import annotations

import errno
import json
import logging
import socket
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Lock, Thread
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from metaapps.filibuster.catalogue import Catalogue
from metaapps.filibuster.coordinator import Inbox
from metaapps.filibuster.foreign import messages
from metaapps.filibuster.foreign.catalogue import FOREIGN_DEFAULT
from metaapps.filibuster.foreign.ledger import Ledger
from metaapps.filibuster.foreign.messages import Invocation, ProtocolError, Received
from metaapps.filibuster.observation import Observation
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.serving import Serving

HOST: Final = "127.0.0.1"
PORT: Final = 5005
MAX_BODY: Final = 1 << 20
_MAX_SKIPPED: Final = 16 << 20
_HERE: Final = {"": HOST, "0.0.0.0": HOST, "::": "::1"}  # noqa: S104 - where to ask, not to listen

_log = logging.getLogger("metaapps.filibuster")
Answer = tuple[int, Mapping[str, object]]


class ForeignServerError(Exception):
    """The server can't listen: one line that says why and what to do."""


class ForeignServer(Serving):
    """The server; as a context manager it stops on the way out. Safe in any thread."""

    def __init__(
        self, host: str = HOST, port: int = PORT, catalogue: Catalogue = FOREIGN_DEFAULT
    ) -> None:
        """Listen; `port` 0 takes a free one. Raises ForeignServerError where that isn't granted.

        `catalogue` is where faults are from: it knows what else clients are told about them.
        """
        self.catalogue = catalogue
        self._server = _listening(host, port)
        self._server.answer = self.answer
        self._host = host
        self._lock = Lock()
        self._current: Ledger | None = None
        self._next = 0
        self._outside = 0
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where services on this machine find it."""
        host = _HERE.get(self._host, self._host)
        literal = f"[{host}]" if ":" in host else host
        return f"http://{literal}:{self._server.server_address[1]}"

    @property
    def outside(self) -> int:
        """How many calls were announced while no execution ran."""
        return self._outside

    def begin(self, plan: Plan, inbox: Inbox) -> Ledger:
        """Begin an execution, which takes the place of the one before."""
        with self._lock:
            if self._current is not None:
                self._next = self._current.next
            self._current = Ledger(plan, inbox, self._next, self.catalogue)
            return self._current

    def end(self) -> None:
        """End the execution: what is told of it from now on is refused."""
        with self._lock:
            if self._current is not None:
                self._next = self._current.next
            self._current = None

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        """Answer one request."""
        try:
            return 200, self._routed(method, _route(target), body)
        except ProtocolError as error:
            return error.status, {"error": str(error)}

    def ledger_for(self, call: Invocation) -> Ledger | None:
        """Return where a call belongs, None if no execution runs."""
        return self._current

    def ended(self, call: Observation) -> None:
        """Be told of a call that has ended. Nothing here; called in the server's threads."""

    def _announced(self, call: Invocation) -> Mapping[str, object]:
        ledger = self.ledger_for(call)
        if ledger is None:
            with self._lock:
                self._outside += 1
            raise ProtocolError("no execution runs at this time", 409)
        announced = ledger.announce(call)
        if announced is None:
            raise ProtocolError("too many calls in one execution", 429)
        return {
            "generated_id": announced.number,
            "execution_index": str(call.path),
            **announced.told,
        }

    def _routed(self, method: str, route: list[str], body: bytes) -> Mapping[str, object]:
        match method, route:
            case "GET", ["health-check"]:
                return {"status": "OK"}
            case "GET", ["new-test-execution", service]:
                ledger = self._current
                return {"new-test-execution": ledger is not None and ledger.is_new_to(service)}
            case "GET", ["fault-injected"]:
                return {"result": self._was_injected("")}
            # The original for Python asks for a service so, that for Java with one word more.
            case "GET", ["fault-injected", service] | ["fault-injected", "service", service]:
                return {"result": self._was_injected(service)}
            case "PUT", ["create"]:
                return self._announced(messages.invocation(_object(body)))
            case "POST", ["update"]:
                return self._updated(messages.update(_object(body)))
        raise ProtocolError(f"nothing is known of {method} /{'/'.join(route)[:100]}", 404)

    def _was_injected(self, service: str) -> bool:
        ledger = self._current
        return ledger is not None and ledger.inbox.ask(service, recorded=False)

    def _updated(self, message: Received | messages.Completed) -> Mapping[str, object]:
        ledger = self._current
        if ledger is None:
            raise ProtocolError("no execution runs at this time", 409)
        if isinstance(message, Received):
            known = ledger.receive(message)
        else:
            call = ledger.complete(message)
            known = call is not None
            if call is not None:
                self.ended(call)
        if not known:
            raise ProtocolError(f"no call {message.number} is open in this execution", 404)
        return {}


def _route(target: str) -> list[str]:
    """Return the words of a path, without the one that only some clients put before them."""
    try:
        path = urlsplit(target).path
    except ValueError as error:
        raise ProtocolError("what is asked for has no path") from error
    route = [unquote(part) for part in path.split("/") if part]
    return route[1:] if route[:1] == ["filibuster"] else route


def _listening(host: str, port: int) -> _Server:
    kind = _Server6 if ":" in host else _Server
    try:
        return kind((host, port), _Handler)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "is in use" if taken else f"can't be had ({error})"
        advice = "end what listens there, or give another --port" if taken else "give others"
        raise ForeignServerError(f"port {port} on {host!r} {reason}: {advice}") from error


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the body is not JSON ({type(error).__name__})") from error
    if not isinstance(told, dict):
        raise ProtocolError("the body must be a JSON object")
    return told


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: Callable[[str, str, bytes], Answer]

    def server_bind(self) -> None:
        # HTTPServer's own asks the name service for this host's name.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "filibuster", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.info("foreign client gone", exc_info=True)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10.0

    def do_GET(self) -> None:
        self._answer(b"")

    def do_PUT(self) -> None:
        self._with_body()

    def do_POST(self) -> None:
        self._with_body()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Stay silent: this is no access log's business."""

    def _with_body(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            self._say(411, {"error": "a body needs a Content-Length"})
        elif len(length) > 10 or int(length) > MAX_BODY:
            self._skip(int(length[:10]))
            self._say(413, {"error": f"a body may have {MAX_BODY} bytes"})
        else:
            self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        self._say(*self.server.answer(self.command, self.path, body))

    def _skip(self, length: int) -> None:
        """Read some of a body that nobody wants, so that its sender lives to see the answer."""
        left = min(length, _MAX_SKIPPED)
        while left > 0 and (piece := self.rfile.read(min(left, 1 << 16))):
            left -= len(piece)

    def _say(self, status: int, said: Mapping[str, object]) -> None:
        payload = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)
