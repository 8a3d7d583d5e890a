"""Instrumentation that speaks the original's protocol, made after its published sequence.

Nothing of ours is imported, and nothing but the standard library. What the original keeps for the
whole process is kept for the whole process here too.
"""

from __future__ import annotations

import contextvars
import hashlib
import http.client
import json
import os
import threading
import time
import traceback
import urllib.parse
import uuid
from collections.abc import Mapping
from typing import Any

Clock = dict[str, int]
Index = list[list[Any]]


class ConnectionError(Exception):  # noqa: A001 - its name in the protocol
    """Nobody answers."""


class Timeout(Exception):
    """Nobody answers in time."""


EXCEPTIONS: Mapping[str, type[Exception]] = {
    "requests.exceptions.ConnectionError": ConnectionError,
    "requests.exceptions.Timeout": Timeout,
}
NAMES = {kind: name for name, kind in EXCEPTIONS.items()}


class Response:
    """What came back."""

    def __init__(self, status: int, text: str) -> None:
        self.status_code, self.text = status, text


incoming: contextvars.ContextVar[Mapping[str, str]] = contextvars.ContextVar("incoming")


class Instrumentation:
    """The state of one service, and its two hooks: `received` and `get`."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.server = os.environ.get("FILIBUSTER_URL", "http://127.0.0.1:5005")
        self.lock = threading.Lock()
        self.clocks: dict[str, Clock] = {}
        self.stacks: dict[str, tuple[Index, dict[str, int]]] = {}

    def received(self, headers: Mapping[str, str]) -> None:
        """Serve a request: remember its headers, say that it has come, sleep if so told."""
        known = dict(headers)
        known.setdefault("x-filibuster-request-id", str(uuid.uuid4()))
        incoming.set(known)
        if "x-filibuster-execution-index" in known:
            self.tell(
                "POST",
                "/filibuster/update",
                {
                    "instrumentation_type": "request_received",
                    "generated_id": known["x-filibuster-generated-id"],
                    "execution_index": known["x-filibuster-execution-index"],
                    "target_service_name": self.service,
                },
            )
        time.sleep(float(known.get("x-filibuster-forced-sleep", "0")))

    def get(self, url: str, timeout: float) -> Response:
        """Make a call."""
        known = incoming.get({})
        request = known.get("x-filibuster-request-id", "None")
        told = self.tell("GET", f"/filibuster/new-test-execution/{self.service}")
        asked = url.replace("http://", "").split(":", 1)[-1]
        with self.lock:
            if told and told.get("new-test-execution"):
                self.clocks, self.stacks = {request: {}}, {request: ([], {})}
            clock = self._tick(known, request)
            index = self._push(known, request, asked)
        origin = json.loads(known.get("x-filibuster-origin-vclock", "{}"))
        answer = self.tell(
            "PUT",
            "/filibuster/create",
            {
                "instrumentation_type": "invocation",
                "source_service_name": self.service,
                "module": "requests",
                "method": "get",
                "args": [asked],
                "kwargs": {},
                "callsite_file": site()[0],
                "callsite_line": str(site()[1]),
                "full_traceback": site_hash(),
                "metadata": {"timeout": timeout},
                "vclock": clock,
                "origin_vclock": origin,
                "execution_index": json.dumps(index),
            },
        )
        call = _Call(self, answer or {}, clock, index, request, known)
        try:
            return call.run(url, timeout)
        finally:
            self._pop(request)

    def tell(self, method: str, path: str, body: object = None) -> Mapping[str, Any] | None:
        """Ask the server; None if it gives no answer that could be used."""
        try:
            status, text = exchange(method, self.server + path, 5, json.dumps(body).encode())
            return json.loads(text) if status == 200 else None
        except (ConnectionError, Timeout, ValueError):
            return None

    def _tick(self, known: Mapping[str, str], request: str) -> Clock:
        clock = self.clocks.get(request, {})
        for name, count in json.loads(known.get("x-filibuster-vclock", "{}")).items():
            clock[name] = max(count, clock.get(name, 0))
        clock[self.service] = clock.get(self.service, 0) + 1
        self.clocks[request] = clock
        return dict(clock)

    def _push(self, known: Mapping[str, str], request: str, asked: str) -> Index:
        if "x-filibuster-execution-index" in known:
            # Counts don't travel, and are forgotten between the calls of one request.
            stack: Index = json.loads(known["x-filibuster-execution-index"])
            counts: dict[str, int] = {}
        else:
            stack, counts = self.stacks.get(request, ([], {}))
        name = hashlib.md5(f"{site_hash()}-requests-get-{asked}".encode()).hexdigest()
        counts[name] = counts.get(name, 0) + 1
        stack = [*stack, [name, counts[name]]]
        self.stacks[request] = (stack, counts)
        return stack

    def _pop(self, request: str) -> None:
        with self.lock:
            stack, counts = self.stacks.get(request, ([], {}))
            self.stacks[request] = (stack[:-1], counts)


class _Call:
    """One call that was announced: sent, or failed as the server says, and its end told."""

    def __init__(
        self,
        owner: Instrumentation,
        answer: Mapping[str, Any],
        clock: Clock,
        index: Index,
        request: str,
        known: Mapping[str, str],
    ) -> None:
        self.owner, self.answer, self.clock, self.index = owner, answer, clock, index
        self.request, self.known = request, known

    def run(self, url: str, timeout: float) -> Response:
        forced = self.answer.get("forced_exception")
        failure = self.answer.get("failure_metadata", {}).get("return_value", {})
        metadata = (forced or {}).get("metadata") or {}
        try:
            if forced and metadata.get("abort", True):
                raise EXCEPTIONS[forced["name"]](forced["name"])
            if "status_code" in failure:
                response = Response(int(failure["status_code"]), "")
            else:
                response = Response(*exchange("GET", url, timeout, b"", self.headers(metadata)))
            if forced:
                raise EXCEPTIONS[forced["name"]](forced["name"])
        except (ConnectionError, Timeout) as error:
            self.complete(exception={"name": NAMES[type(error)], "metadata": metadata})
            raise
        text = hashlib.md5(response.text.encode()).hexdigest()
        returned = {"__class__": "Response", "status_code": str(response.status_code), "text": text}
        self.complete(return_value=returned)
        return response

    def headers(self, metadata: Mapping[str, Any]) -> dict[str, str]:
        sent = {}
        if "FORWARD_BAGGAGE" in os.environ and "baggage" in self.known:
            sent["baggage"] = self.known["baggage"]
        if "execution_index" not in self.answer:
            return sent
        if "sleep" in metadata:
            sent["X-Filibuster-Forced-Sleep"] = str(metadata["sleep"])
        return sent | {
            "X-Filibuster-Generated-Id": str(self.answer["generated_id"]),
            "X-Filibuster-VClock": json.dumps(self.clock),
            "X-Filibuster-Origin-VClock": json.dumps(self.clock),
            "X-Filibuster-Execution-Index": json.dumps(self.index),
            "X-Filibuster-Request-Id": self.request,
        }

    def complete(self, **told: object) -> None:
        if "generated_id" not in self.answer:
            return
        about = {
            "instrumentation_type": "invocation_complete",
            "generated_id": self.answer["generated_id"],
            "execution_index": json.dumps(self.index),
            "vclock": self.clock,
        }
        self.owner.tell("POST", "/filibuster/update", {**about, **told})


def site() -> tuple[str, int | None]:
    """Return the file and the line of the application that makes a call."""
    frames = [frame for frame in traceback.extract_stack() if "service.py" in frame.filename]
    return frames[-1].filename, frames[-1].lineno


def site_hash() -> str:
    """Return what tells one line of the application from another, on this checkout alone."""
    lines = [line for line in traceback.format_stack() if "service.py" in line]
    return hashlib.md5("\n".join(lines).encode()).hexdigest()


def exchange(
    method: str, url: str, timeout: float, body: bytes, headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Send one request; return the status and the text of the answer."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        sent = {"Content-Type": "application/json"} if body else {}
        connection.request(method, parts.path, body or None, {**sent, **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read().decode()
    except TimeoutError as error:
        raise Timeout(url) from error
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(url) from error
    finally:
        connection.close()
