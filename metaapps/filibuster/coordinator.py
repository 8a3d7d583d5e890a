"""The coordinator: hears what finds no way home, of all executions of one run.

A small HTTP server in the explorer's process, on loopback unless it's told otherwise. Only holders
of the run's key are heard, who sign what they say; bodies are bounded.
"""

from __future__ import annotations

import hmac
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from threading import Condition, Lock, Thread
from typing import Any, Final

from metaapps.filibuster import index
from metaapps.filibuster.deliveries import NOTHING, Expected, is_delivery
from metaapps.filibuster.lineage import ROOT
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import sign
from metaapps.filibuster.reporting import ARRIVALS, DELIVERIES, OBSERVATIONS, QUESTIONS
from metaapps.filibuster.serving import Serving
from metaapps.filibuster.wire import MAX_REPORT, decode_observations, decode_report

HOST: Final = "127.0.0.1"
_BRIEFLY: Final = 0.05
_QUIET: Final = 0.2
_MOST_LATE: Final = 10_000
_DIGITS: Final = len(str(MAX_REPORT))
_ANSWER_WITHIN: Final = 2.0
"""Who asks waits so many seconds for what is known to be under way."""
Answer = tuple[int, Mapping[str, object] | None]


class Inbox:
    """What was heard of one execution. Safe in any thread.

    Some of it tells of parcels that are under way, with how many observations; what has not come
    of these in the end is `lost`.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._changed = Condition()
        self._observations: dict[bytes, list[Observation]] = defaultdict(list)
        self._arrivals: Counter[str] = Counter()
        self._deliveries: Counter[tuple[str, str]] = Counter()
        self._position = 0
        self._under_way: dict[bytes, int] = {}
        self._came: set[bytes] = set()

    def put(self, observations: Iterable[Observation], parcels: Iterable[bytes] = ()) -> None:
        """Take observations, of these parcels; the same one twice counts once."""
        with self._changed:
            for seen in observations:
                if seen.role is Role.PUSHED:
                    self._under_way[seen.index] = seen.position
                else:
                    self._note(seen)
            self._came.update(parcels)
            self._changed.notify_all()

    @property
    def lost(self) -> int:
        """How many observations are known to be under way, and have not come."""
        with self._changed:
            return sum(self._under_way[parcel] for parcel in self._under_way.keys() - self._came)

    def arrive(self, operation: str) -> Mapping[str, int]:
        """Count a call that came straight from the functional test; return its place there."""
        with self._changed:
            self._arrivals[operation] += 1
            return {"position": self._next(), "occurrence": self._arrivals[operation]}

    def deliver(self, message: str, taker: str, least: int) -> Mapping[str, int]:
        """Count a delivery of a message to one of its takers, who knows it to be at least that.

        0 asks for the last one, and counts none.
        """
        with self._changed:
            if not least:
                return {"number": self._deliveries[message, taker]}
            number = max(self._deliveries[message, taker] + 1, least)
            self._deliveries[message, taker] = number
            return {"number": number}

    def place(self) -> int:
        """Return the position of something else that happens directly within the test."""
        with self._changed:
            return self._next()

    def ask(self, service: str, *, recorded: bool, parcels: Iterable[bytes] = ()) -> bool:
        """Say whether a fault was hit on a call to a service ("" for any).

        Waits, in bounds, for these parcels and all others that are known to be under way, and for
        the calls from outside that did not end.
        """
        with self._changed:
            for parcel in parcels:
                self._under_way.setdefault(parcel, 0)
            self._changed.wait_for(self._told, _ANSWER_WITHIN)
            answer = any(
                seen.injected is not None and service in ("", seen.target) for seen in self._all()
            )
            if not recorded:
                asked = asking(ROOT.index, self._next(), service, answer)
                self._note(asked)
            return answer

    def settle(self, within: float, expected: Expected = NOTHING) -> tuple[Observation, ...]:
        """Return all observations, once each announced call and each known branch has ended.

        What is known to be under way has come by then, too.

        That is waited for, but no longer than `within` seconds, and only briefly for what earlier
        executions did not see end. The seconds by which messages were delayed on purpose come on
        top. Where it's not known who takes a message, others are given a moment, of a hundredth of
        `within`.
        """
        began = time.monotonic()
        with self._changed:
            self._wait(expected, began + within)
            if expected.is_unsure(self._known()) and self._settled(expected):
                self._wait_for_quiet(max(_QUIET, within / 100), began + within)
                self._wait(expected, began + within)
            self._changed.wait_for(self._settled, min(within, _BRIEFLY))
            return self._known()

    def _wait(self, expected: Expected, until: float) -> None:
        while not self._settled(expected):
            left = until + self._delayed() - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return

    def _wait_for_quiet(self, seconds: float, until: float) -> None:
        """Wait until nothing was heard for so long."""
        while (left := until - time.monotonic()) > 0 and self._changed.wait(min(seconds, left)):
            pass

    def _delayed(self) -> float:
        """Return by how many seconds messages were delayed, which are really waited for."""
        return sum(
            seen.injected.seconds or 0.0
            for seen in self._all()
            if seen.role is Role.BRANCH and seen.injected is not None
        )

    def _settled(self, expected: Expected = NOTHING) -> bool:
        return self._told() and expected.is_settled(self._known())

    def _known(self) -> tuple[Observation, ...]:
        return tuple(self._all())

    def _told(self) -> bool:
        """Say whether all that was announced has come."""
        if not self._under_way.keys() <= self._came:
            return False
        announced = self._arrivals.total()
        if not announced:
            return True
        return sum(one.role is Role.CALL and one.by_test for one in self._all()) >= announced

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
    """The server; as a context manager it stops on the way out. For any number of executions.

    `late` is how many observations came for executions that it no longer hears of.
    """

    def __init__(self, key: bytes, host: str = HOST, reached_at: str = "") -> None:
        """Listen on a free port of an interface; hear those who have the key.

        Services elsewhere reach it at the host `reached_at`, where that is not the same.
        """
        self._key, self._host = key, reached_at or host
        self._lock = Lock()
        self._inboxes: dict[str, Inbox] = {}
        self._late = 0
        self._ended_late: set[bytes] = set()
        self._late_deliveries: Counter[str] = Counter()
        self._server = _Server((host, 0), _Handler)
        self._server.coordinator = self
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        """Where services reach it, as "host:port"."""
        return f"{self._host}:{self._server.server_port}"

    @property
    def late(self) -> int:
        """How many observations came for no execution that goes on."""
        return self._late

    @property
    def late_deliveries(self) -> Mapping[str, int]:
        """How many messages were taken after their executions had been judged, by who took them."""
        with self._lock:
            return dict(self._late_deliveries)

    def ended_late(self) -> frozenset[bytes]:
        """Take the branches that ended after their executions had been judged."""
        with self._lock:
            ended, self._ended_late = frozenset(self._ended_late), set()
        return ended

    def open(self, execution: str) -> Inbox:
        """Begin to hear of an execution."""
        inbox = Inbox()
        with self._lock:
            self._inboxes[execution] = inbox
        return inbox

    def close(self, execution: str) -> None:
        """Hear no more of an execution."""
        with self._lock:
            self._inboxes.pop(execution, None)

    def answer(self, path: str, authorization: str, body: bytes) -> Answer:
        """Answer what was posted."""
        signature = sign(path.encode() + b"\n" + body, self._key).hex()
        if not hmac.compare_digest(authorization.encode(), f"Signature {signature}".encode()):
            return 403, None
        try:
            if path == OBSERVATIONS:
                return self._observed(body)
            if path == ARRIVALS:
                return self._arrived(json.loads(body))
            if path == DELIVERIES:
                return self._delivered(json.loads(body))
            if path == QUESTIONS:
                return self._asked(json.loads(body))
        except (ArithmeticError, ValueError, TypeError, AttributeError, RecursionError):
            return 400, None
        return 404, None

    def _inbox(self, execution: object) -> Inbox | None:
        with self._lock:
            return self._inboxes.get(str(execution))

    def _observed(self, body: bytes) -> Answer:
        report = decode_report(body)
        inbox = None if report is None else self._inbox(report.execution)
        if report is None:
            return 404, None
        seen = decode_observations(report.observations)
        if inbox is None:
            self._too_late(seen)
            return 404, None
        inbox.put(seen, report.parcels)
        return 200, {}

    def _too_late(self, seen: Iterable[Observation]) -> None:
        with self._lock:
            for one in seen:
                self._late += 1
                if is_delivery(one):
                    self._late_deliveries[one.operation] += 1
                if one.role is Role.END and len(self._ended_late) < _MOST_LATE:
                    self._ended_late.update((one.index, one.parent))

    def _arrived(self, asked: Mapping[str, Any]) -> Answer:
        inbox = self._inbox(asked.get("execution"))
        return (404, None) if inbox is None else (200, inbox.arrive(str(asked.get("operation"))))

    def _delivered(self, asked: Mapping[str, Any]) -> Answer:
        inbox = self._inbox(asked.get("execution"))
        if inbox is None:
            return 404, None
        message, taker = str(asked.get("message")), str(asked.get("taker"))
        return 200, inbox.deliver(message, taker, int(asked.get("least", 1)))

    def _asked(self, asked: Mapping[str, Any]) -> Answer:
        inbox = self._inbox(asked.get("execution"))
        if inbox is None:
            return 404, None
        parcels = [bytes.fromhex(parcel) for parcel in asked.get("parcels", ())]
        recorded, service = asked.get("recorded") is True, str(asked.get("service", ""))
        return 200, {"result": inbox.ask(service, recorded=recorded, parcels=parcels)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # All services may report at the same moment.
    request_queue_size = 1024
    coordinator: Coordinator

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about who went away amid what it said: a test that was killed, say."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 60.0
    # Connections are kept; else each report would need a thread, and a handshake.
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > _DIGITS or int(length) > MAX_REPORT:
            self.close_connection = True
            self.send_error(413)
            return
        body = self.rfile.read(int(length))
        authorization = self.headers.get("Authorization", "")
        status, said = self.server.coordinator.answer(self.path, authorization, body)
        payload = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Stay silent: this is no access log's business."""
