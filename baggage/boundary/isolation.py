"""Isolation: what goes wrong in the waist or a meta-application is kept from the application."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary

_log = logging.getLogger("baggage.boundary")


class Isolation:
    """What `isolated` returns: without state, so that one serves all threads."""

    __slots__ = ("_boundary",)

    def __init__(self, boundary: Boundary) -> None:
        """Be the boundary's own."""
        self._boundary = boundary

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception) or self._boundary.policy.strict:
            return False
        _log.error("propagation failed", exc_info=error)
        return True
