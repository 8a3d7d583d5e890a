"""What filibuster's servers are asked, and what a foreign server answers, whatever the bytes.

Belongs here: one function for each, as in `decoders`. Sockets don't belong here: a server is asked
as its own threads ask it.
"""

from __future__ import annotations

import json
from typing import Any, Final

from metaapps.filibuster.coordinator import Coordinator, Inbox
from metaapps.filibuster.foreign import faults
from metaapps.filibuster.foreign.ledger import Ledger
from metaapps.filibuster.foreign.server import ForeignServer
from metaapps.filibuster.orders import sign
from metaapps.filibuster.plan import FAULT_FREE
from metaapps.filibuster.reporting import ARRIVALS, DELIVERIES, OBSERVATIONS, QUESTIONS
from metaapps.filibuster.tree import build
from metaapps.filibuster.wire import decode_observation, encode_observation

_KEY: Final = b"a key"
_CALL: Final[dict[str, Any]] = {
    "instrumentation_type": "invocation",
    "source_service_name": "foo",
    "module": "requests",
    "method": "get",
    "args": ["http://bar/items"],
    "execution_index": '[["V1-a-b-c-d-e", 1]]',
}
_END: Final[dict[str, Any]] = {"instrumentation_type": "invocation_complete", "generated_id": 0}
_ARRIVAL: Final[dict[str, Any]] = {
    "instrumentation_type": "request_received",
    "generated_id": 0,
    "target_service_name": "bar",
}
_ABOUT: Final = (
    ("PUT", "/create", _CALL),
    ("POST", "/update", _END),
    ("POST", "/update", _ARRIVAL),
)


def foreign_request(blob: bytes) -> None:
    """Ask the original's server once a line: an address, a body, or fields of one that is good."""
    server = ForeignServer(port=0)
    try:
        ledger = server.begin(FAULT_FREE, Inbox())
        for line in blob.split(b"\n", 8)[:8]:
            number, said = line[0] if line else 0, line[1:]
            if number % 4 == 3:
                _answered(server, "GET", said.decode("latin-1"), b"")
                continue
            method, path, good = _ABOUT[number % 4]
            changed = _changed(good, said)
            body = said if changed is None else json.dumps(changed).encode()
            _answered(server, method, f"/filibuster{path}", body)
        _settled(ledger)
    finally:
        server._server.server_close()


def _answered(server: ForeignServer, method: str, target: str, body: bytes) -> None:
    status, told = server.answer(method, target, body)
    assert status in (200, 400, 404)
    json.dumps(told)


def _settled(ledger: Ledger) -> None:
    """Do with what was told of an execution what the explorer does."""
    build(ledger.observations)
    ledger.settle(0)
    for seen in ledger.inbox.settle(0):
        assert decode_observation(encode_observation(seen)) == seen


def _changed(good: dict[str, Any], said: bytes) -> dict[str, Any] | None:
    """Return a body that is good but for some fields; None if these are none."""
    try:
        fields = json.loads(said)
        return {**good, **fields}
    except (TypeError, ValueError, RecursionError):
        return None


def foreign_answer(blob: bytes) -> None:
    """Read what a foreign server orders."""
    try:
        told = json.loads(blob)
    except (ValueError, RecursionError):
        return
    if isinstance(told, dict):
        found = faults.ordered(told)
        assert found is None or 0 <= found.sleep <= 60


def posted(blob: bytes) -> None:
    """Post to the coordinator, signed and not, of an execution that goes on and of another."""
    coordinator = Coordinator(_KEY)
    try:
        coordinator.open("e")
        path = (OBSERVATIONS, ARRIVALS, DELIVERIES)[blob[0] % 3] if blob else QUESTIONS
        body = blob[1:]
        assert coordinator.answer(path, "Signature ", body) == (403, None)
        for at in (path, QUESTIONS) if b'"e"' not in body else (path,):
            signature = sign(at.encode() + b"\n" + body, _KEY).hex()
            status, told = coordinator.answer(at, f"Signature {signature}", body)
            assert status in (200, 400, 404)
            json.dumps(told)
    finally:
        coordinator._server.server_close()
