"""Asking a foreign server, as the original's own instrumentation does.

Nothing here is instrumented, and nothing raises: a server that is gone is logged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

from baggage.boundary import Call, Outcome, Raised
from baggage.context import suppressed
from metaapps.filibuster.foreign.headers import ForeignHeaders
from metaapps.filibuster.foreign.path import ForeignPath
from metaapps.filibuster.lineage import Step
from metaapps.filibuster.status import grpc_code, is_grpc

_log = logging.getLogger("metaapps.filibuster")
_TIMEOUT: Final = 5.0
_MAX_ANSWER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ForeignClient:
    """The server at `url`, as in "http://127.0.0.1:5005". Safe in any thread."""

    url: str

    def create(self, call: Call, step: Step, path: ForeignPath) -> Mapping[str, Any] | None:
        """Announce a call; return what the server says of it, None if it says nothing."""
        return self._ask("PUT", "/filibuster/create", _invocation(call, step, path))

    def received(self, headers: ForeignHeaders, service: str) -> None:
        """Say that a call has arrived at a service."""
        told = {
            "instrumentation_type": "request_received",
            "generated_id": headers.number,
            "execution_index": str(headers.path),
            "target_service_name": service,
        }
        self._ask("POST", "/filibuster/update", told)

    def complete(
        self, number: object, step: Step, path: ForeignPath, told: Mapping[str, object]
    ) -> None:
        """Say what became of a call."""
        about = {
            "instrumentation_type": "invocation_complete",
            "generated_id": number,
            "execution_index": str(path),
            "vclock": dict(step.clock),
        }
        self._ask("POST", "/filibuster/update", {**about, **told})

    def _ask(self, method: str, path: str, told: Mapping[str, object]) -> Mapping[str, Any] | None:
        with suppressed():
            connection = None
            try:
                url = urlsplit(self.url)
                connection = HTTPConnection(url.hostname or "", url.port, timeout=_TIMEOUT)
                headers = {"Content-Type": "application/json"}
                connection.request(method, url.path.rstrip("/") + path, json.dumps(told), headers)
                response = connection.getresponse()
                answer = json.loads(response.read(_MAX_ANSWER))
                return answer if response.status == 200 and isinstance(answer, dict) else None
            except (OSError, HTTPException, ValueError, RecursionError) as error:
                extra = {"server": self.url, "reason": str(error)}
                _log.warning("foreign server not reached", extra=extra)
                return None
            finally:
                if connection is not None:
                    connection.close()


def outcome_told(outcome: Outcome) -> Mapping[str, object]:
    """Return what the server is told of an outcome."""
    facts = outcome.facts
    # Outcomes don't say whose they are; no status of HTTP is as low as a code of gRPC.
    code = grpc_code("grpc", facts.status)
    if isinstance(outcome, Raised):
        return exception_told(outcome.name, **({} if code is None else {"code": code}))
    if code is not None and not facts.ok:
        return exception_told("grpc.RpcError", code=code)
    returned: dict[str, object] = {"__class__": type(outcome.value).__name__}
    if facts.status is not None:
        returned["status_code"] = str(facts.status)
    digest = facts.digest()
    if digest is not None:
        returned["text"] = digest.hex()
    return {"return_value": returned}


def exception_told(name: str, **metadata: object) -> Mapping[str, object]:
    """Return what the server is told of an exception."""
    return {"exception": {"name": name, "metadata": metadata}}


def _invocation(call: Call, step: Step, path: ForeignPath) -> Mapping[str, object]:
    return {
        "instrumentation_type": "invocation",
        "source_service_name": call.source,
        **_invoked(call),
        "kwargs": {},
        "callsite_file": call.site.module,
        "callsite_line": str(call.site.line),
        "full_traceback": step.index.hex(),
        "metadata": {} if call.timeout is None else {"timeout": call.timeout},
        "vclock": dict(step.clock),
        "origin_vclock": dict(step.origin),
        "execution_index": str(path),
    }


def _invoked(call: Call) -> Mapping[str, object]:
    """Return what a call invokes as the original writes it: for gRPC, what made the channel."""
    if is_grpc(call.library):
        request = str(call.arguments.get("request", ""))
        return {"module": "grpc", "method": "insecure_channel", "args": [call.operation, request]}
    return {"module": call.library, "method": call.method, "args": [_asked(call)]}


def _asked(call: Call) -> str:
    """Return what a call asks for as the original writes it: the port and the path of a URL."""
    path = call.operation.partition(" ")[2]
    port = "" if call.endpoint is None or not call.endpoint.port else str(call.endpoint.port)
    return f"{port}{path}" if path else call.operation
