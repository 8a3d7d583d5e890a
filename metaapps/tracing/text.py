"""What applications hand over, as text: errors, and values of tags."""

from __future__ import annotations

from typing import Any, Final

from baggage.boundary import exception_name

_MAX_MESSAGE: Final = 300


def failure(error: BaseException) -> str:
    """Return what an error is called and what it says, for a tag."""
    name = exception_name(type(error))
    try:
        message = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - an application's own error must not fail it
        return name
    return f"{name}: {message[:_MAX_MESSAGE]}" if message else name


def text(value: Any) -> str:
    """Return any value as text; a bool as other languages write it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - an application's own value must not fail it
        return f"<{type(value).__name__}>"
