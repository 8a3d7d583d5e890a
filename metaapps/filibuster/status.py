"""Statuses as people and files name them: gRPC's codes have names, HTTP's are their numbers."""

from __future__ import annotations

from typing import Final

from baggage.boundary import Fault, FaultKind

GRPC_CODES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""The names of gRPC's codes; each one's number is its place."""


def is_grpc(library: str) -> bool:
    """Say whether a library's statuses are gRPC's codes."""
    return library.partition(".")[0] == "grpc"


def grpc_code(library: str, status: int | None) -> str | None:
    """Return the name of a status of gRPC, None for what is none."""
    if status is None or not is_grpc(library) or not 0 <= status < len(GRPC_CODES):
        return None
    return GRPC_CODES[status]


def shown_status(library: str, status: int) -> str:
    """Return a library's status for people."""
    return grpc_code(library, status) or str(status)


def shown_fault(library: str, fault: Fault) -> str:
    """Return a fault at a call of a library for people."""
    code = grpc_code(library, fault.status) if fault.kind is FaultKind.STATUS else None
    if code is None:
        return str(fault)
    return f"{code} late" if fault.late else code
