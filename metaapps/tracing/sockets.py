"""The addresses at both ends of a socket, whatever made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Address = tuple[str, int]

NOWHERE: Final[Address] = ("", 0)


def ends(sock: Any) -> tuple[Address, Address]:
    """Return where a socket is bound, and where it's connected; `NOWHERE` for what isn't known.

    Takes any object with `getsockname` and `getpeername`. Other families than IP have no address.
    """
    return _address(sock, "getsockname"), _address(sock, "getpeername")


def _address(sock: Any, method: str) -> Address:
    try:
        asked: Callable[[], Any] = getattr(sock, method)
        match asked():
            case [str(host), int(port), *_]:
                return host, port
    except Exception:  # noqa: BLE001 - closed, or no socket at all: nothing is known of it
        return NOWHERE
    return NOWHERE
