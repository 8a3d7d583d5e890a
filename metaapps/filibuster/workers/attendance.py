"""Attendance: who works elsewhere holds a connection to the explorer for as long as it does.

So the explorer knows of a worker that died although its executor says nothing, or begins the same
work again in silence; and a worker knows that nobody waits for it any more. No orders and no
results travel here.
"""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Lock, Thread
from time import monotonic
from typing import Final

from baggage.context import suppressed
from metaapps.filibuster.workers.count import WorkersError
from metaapps.filibuster.workers.forking import ClosedError, WorkerDiedError

_GO: Final = b"1"
_AGAIN: Final = b"2"
_LONGEST: Final = 200
_ANSWER_WITHIN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """One piece of work that one worker may do, once; can be pickled."""

    host: str
    port: int
    name: str
    signature: str

    @contextmanager
    def attended(self) -> Iterator[socket.socket]:
        """Hold a connection; it can be read as soon as nobody waits for this work any more.

        Raises WorkerDiedError if another worker began it before, ClosedError if nobody waits.
        """
        try:
            connection = socket.create_connection((self.host, self.port), _ANSWER_WITHIN)
        except OSError as error:
            raise WorkersError(
                f"worker on {socket.gethostname()!r} can't reach the explorer at "
                f"{self.host}:{self.port} ({error}): say by --coordinator where it can"
            ) from error
        with connection:
            try:
                connection.sendall(f"{self.name} {self.signature}\n".encode())
                answer = connection.recv(1)
            except OSError:
                answer = b""
            if answer == _AGAIN:
                raise WorkerDiedError("a worker ended before its work was done")
            if answer != _GO:
                raise ClosedError
            yield connection


@dataclass(slots=True)
class _Presence:
    """What is known of one ticket: how many attend, and since when nobody has; None meanwhile."""

    since: float | None
    begun: bool = False
    here: int = 0


class Attendance:
    """The explorer's side. Safe in any thread."""

    def __init__(self, host: str) -> None:
        """Listen on a free port of an interface."""
        self._host = host
        self._key = secrets.token_bytes(16)
        self._lock = Lock()
        self._known: dict[str, _Presence] = {}
        self._connections: set[socket.socket] = set()
        self._closed = False
        self._server = _Server((host, 0), _Handler)
        self._server.attendance = self
        with suppressed():
            Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def ticket(self) -> Ticket:
        """Return a ticket for new work."""
        name = secrets.token_hex(8)
        with self._lock:
            self._known[name] = _Presence(monotonic())
        port = self._server.server_address[1]
        return Ticket(self._host, port, name, self._signature(name))

    def forget(self, ticket: Ticket) -> None:
        """Let nobody attend for this ticket any more."""
        with self._lock:
            self._known.pop(ticket.name, None)

    def deserted(self, ticket: Ticket) -> float:
        """Return for how many seconds work that was begun has had no worker."""
        with self._lock:
            known = self._known[ticket.name]
            return monotonic() - known.since if known.begun and known.since is not None else 0.0

    @property
    def idle(self) -> float:
        """How many seconds ago somebody was here for the last time, or work was handed out."""
        with self._lock:
            left = [known.since for known in self._known.values()]
        return monotonic() - max((monotonic() if at is None else at for at in left), default=0.0)

    def close(self) -> None:
        """Send everybody away."""
        with self._lock:
            self._closed = True
            connections = tuple(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()
        self._server.server_close()

    def attend(self, line: bytes, connection: socket.socket) -> None:
        """Hold a connection for as long as its other end does."""
        name, _, signature = line.decode("ascii", "replace").strip().partition(" ")
        known = self._enter(name, signature, connection)
        if known is None:
            return
        try:
            with self._lock:
                again, known.begun = known.begun, True
            connection.settimeout(None)
            connection.sendall(_AGAIN if again else _GO)
            while connection.recv(64):
                pass
        finally:
            with self._lock:
                self._connections.discard(connection)
                known.here -= 1
                known.since = None if known.here else monotonic()

    def _enter(self, name: str, signature: str, connection: socket.socket) -> _Presence | None:
        with self._lock:
            known = self._known.get(name)
            right = hmac.compare_digest(signature.encode(), self._signature(name).encode())
            if known is None or not right or self._closed:
                return None
            known.since = None
            known.here += 1
            self._connections.add(connection)
            return known

    def _signature(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), sha256).hexdigest()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 1024
    attendance: Attendance


class _Handler(StreamRequestHandler):
    server: _Server
    timeout = _ANSWER_WITHIN

    def handle(self) -> None:
        with suppress(OSError):
            self.server.attendance.attend(self.rfile.readline(_LONGEST), self.connection)
