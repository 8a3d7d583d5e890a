"""The coordinator: hears what finds no way home, of all executions of one run.

A small HTTP server on loopback, in the explorer's process. Only holders of the run's token are
heard; bodies are bounded.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from threading import Condition, Thread
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from metaapps.filibuster import index
from metaapps.filibuster.lineage import ROOT
from metaapps.filibuster.observation import Observation, Role, open_branches
from metaapps.filibuster.serving import Serving
from metaapps.filibuster.wire import MAX_REPORT, decode_report

HOST: Final = "127.0.0.1"
_BRIEFLY: Final = 0.05
Answer = tuple[int, Mapping[str, object] | None]


class Inbox:
    """What was heard of one execution. Safe in any thread."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._changed = Condition()
        self._observations: dict[bytes, list[Observation]] = defaultdict(list)
        self._arrivals: Counter[str] = Counter()
        self._position = 0

    def put(self, observations: tuple[Observation, ...]) -> None:
        """Take observations; the same one twice counts once."""
        with self._changed:
            for seen in observations:
                self._note(seen)
            self._changed.notify_all()

    def revise(self, old: Observation, new: Observation) -> None:
        """Put an observation in the place of one that was taken before more was known."""
        with self._changed:
            known = self._observations[old.index]
            self._observations[old.index] = [new if one == old else one for one in known]
            self._changed.notify_all()

    def arrive(self, operation: str) -> Mapping[str, int]:
        """Count a call that came straight from the functional test; return its place there."""
        with self._changed:
            self._arrivals[operation] += 1
            return {"position": self._next(), "occurrence": self._arrivals[operation]}

    def place(self) -> int:
        """Return the position of something else that happens directly within the test."""
        with self._changed:
            return self._next()

    def ask(self, service: str, *, recorded: bool) -> bool:
        """Say whether a fault was hit on a call to a service ("" for any)."""
        with self._changed:
            answer = any(
                seen.injected is not None and service in ("", seen.target) for seen in self._all()
            )
            if not recorded:
                asked = asking(ROOT.index, self._next(), service, answer)
                self._note(asked)
            return answer

    def settle(
        self, within: float, endless: Collection[bytes] = frozenset()
    ) -> tuple[Observation, ...]:
        """Return all observations, once each announced call and each known branch has ended.

        That is waited for, but no longer than `within` seconds, and only briefly for branches
        that are known by their index to be endless.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._settled(endless), within)
            self._changed.wait_for(self._settled, min(within, _BRIEFLY))
            return tuple(self._all())

    def _settled(self, endless: Collection[bytes] = frozenset()) -> bool:
        seen = tuple(self._all())
        ended = sum(one.role is Role.CALL and one.by_test for one in seen)
        waited_for = (branch for branch in open_branches(seen) if branch.index not in endless)
        return ended >= self._arrivals.total() and not any(waited_for)

    def _all(self) -> Iterator[Observation]:
        return chain.from_iterable(self._observations.values())

    def _note(self, seen: Observation) -> None:
        known = self._observations[seen.index]
        if seen not in known:
            known.append(seen)

    def _next(self) -> int:
        self._position += 1
        return self._position - 1


def asking(parent: bytes, position: int, service: str, answer: bool) -> Observation:
    """Return the observation of a question that the functional test asked."""
    return Observation(
        role=Role.ASK,
        index=index.ask(parent, position),
        parent=parent,
        position=position,
        source=ROOT.process,
        target=service,
        by_test=True,
        ok=answer,
    )


class Coordinator(Serving):
    """The server; as a context manager it stops on the way out."""

    def __init__(self) -> None:
        """Listen on a free port of the loopback interface."""
        self.token = secrets.token_urlsafe(16)
        self._inboxes: dict[str, Inbox] = {}
        self._server = _Server((HOST, 0), _Handler)
        self._server.coordinator = self
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        """Where it listens, as "host:port"."""
        return f"{HOST}:{self._server.server_port}"

    def open(self, execution: str) -> Inbox:
        """Begin to hear of an execution."""
        inbox = self._inboxes[execution] = Inbox()
        return inbox

    def close(self, execution: str) -> None:
        """Hear no more of an execution."""
        self._inboxes.pop(execution, None)

    def answer(self, method: str, target: str, token: str, body: bytes) -> Answer:
        """Answer one request."""
        if not hmac.compare_digest(token.encode(), f"Bearer {self.token}".encode()):
            return 403, None
        url = urlsplit(target)
        try:
            if (method, url.path) == ("POST", "/observations"):
                return self._observed(body)
            if (method, url.path) == ("POST", "/arrivals"):
                return self._arrived(json.loads(body))
            if (method, url.path) == ("GET", "/fault-injected"):
                return self._asked(dict(parse_qsl(url.query)))
        except (ValueError, TypeError, AttributeError):
            return 400, None
        return 404, None

    def _observed(self, body: bytes) -> Answer:
        report = decode_report(body)
        inbox = self._inboxes.get(report[0]) if report is not None else None
        if report is None or inbox is None:
            return 404, None
        inbox.put(report[1])
        return 200, {}

    def _arrived(self, asked: Mapping[str, Any]) -> Answer:
        inbox = self._inboxes.get(str(asked.get("execution")))
        return (404, None) if inbox is None else (200, inbox.arrive(str(asked.get("operation"))))

    def _asked(self, asked: Mapping[str, str]) -> Answer:
        inbox = self._inboxes.get(asked.get("execution", ""))
        if inbox is None:
            return 404, None
        recorded = asked.get("recorded") == "1"
        return 200, {"result": inbox.ask(asked.get("service", ""), recorded=recorded)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # All services may report at the same moment.
    request_queue_size = 1024
    coordinator: Coordinator


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10.0

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_REPORT:
            self.send_error(413)
            return
        self._answer(self.rfile.read(int(length)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Stay silent: this is no access log's business."""

    def _answer(self, body: bytes) -> None:
        token = self.headers.get("Authorization", "")
        status, said = self.server.coordinator.answer(self.command, self.path, token, body)
        payload = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)
