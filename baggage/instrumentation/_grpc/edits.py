"""Messages of protocol buffers as an edit changes them, by their own reflection.

No field of theirs is null, and none changes its type: one that is set to null is one that was never
sent, and an item of a list is what an empty one is.
"""

from __future__ import annotations

from typing import Any

from baggage.boundary import CannotEnact
from baggage.boundary.edit import Edit


def serialized(message: Any, edit: Edit) -> bytes:
    """Return a message as changed, serialized; raise CannotEnact for what can't be changed so."""
    if isinstance(message, bytes):
        return edit.of(message)
    if not hasattr(message, "DESCRIPTOR"):
        raise CannotEnact(f"no message of protocol buffers, and no bytes: {type(message).__name__}")
    if not edit.path:
        return edit.of(message.SerializeToString(deterministic=True))
    if edit.verb == "retype":
        raise CannotEnact("fields of protocol buffers keep their types")
    copied = type(message)()
    copied.CopyFrom(message)
    _change(copied, edit)
    return bytes(copied.SerializeToString(deterministic=True))


def _change(message: Any, edit: Edit) -> None:
    *outer, last = edit.path
    holder = message
    for step in outer:
        holder = _found(holder, step, edit)
    if hasattr(holder, "DESCRIPTOR"):
        _found(holder, last, edit)
        holder.ClearField(last)
        return
    item = _found(holder, last, edit)
    if edit.verb == "drop" or not isinstance(last, int):
        del holder[last]
    elif hasattr(item, "Clear"):
        item.Clear()
    else:
        holder[last] = type(item)()


def _found(holder: Any, step: str | int, edit: Edit) -> Any:
    """Return what is set at a step, without setting anything, as protocol buffers may."""
    if hasattr(holder, "DESCRIPTOR"):
        if any(field.name == step for field, _ in holder.ListFields()):
            return getattr(holder, str(step))
    elif hasattr(holder, "keys"):
        if any(key == step for key in holder):
            return holder[step]
    elif isinstance(step, int) and hasattr(holder, "append") and step < len(holder):
        return holder[step]
    raise CannotEnact(f"{edit.text}: nothing is set at {step!r}")
