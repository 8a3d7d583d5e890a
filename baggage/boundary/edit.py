"""The little language of changes to a body: what a fault's `edit` says.

    null a.b[0]     the field of a JSON body becomes null
    drop a.b        the key, or the item of a list, is gone
    retype a.b      the field becomes a value of another JSON type
    truncate 10     the first ten bytes are left

A path goes from the outermost object, or list, inwards: names with dots between them, places in
lists in brackets from 0, and a name with dots, brackets or spaces in it as a JSON string:
`a["b.c"].d`. Pure: nothing here knows a library.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from baggage.boundary.adapter import CannotEnact

Step = str | int
"""A key of an object, or a place in a list."""
Path = tuple[Step, ...]

TRUNCATE: Final = "truncate"
_LONGEST: Final = 1000
"""Characters of an edit."""
_LARGEST: Final = 1 << 24
"""Bytes of a body that is taken apart."""
_COUNT: Final = re.compile(r"[0-9]{1,12}")
_STEP: Final = re.compile(
    r"""\.?(?P<name>[^\s."\[\]]+)            # a.b
      | \[(?P<place>[0-9]{1,9})\]            # [0]
      | \[(?P<quoted>"(?:[^"\\]|\\.)*")\]    # ["a name"]
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Edit:
    """A change, read: `path` is that of a field, `size` the bytes that `truncate` leaves."""

    text: str
    verb: str
    path: Path = ()
    size: int = 0

    def of(self, body: bytes) -> bytes:
        """Return a body as changed. JSON is written anew, in the order that it came in.

        Raises CannotEnact where there is nothing to change: no JSON, no such field, nothing beyond
        the bytes that are left.
        """
        if self.verb != TRUNCATE:
            return _written(changed(_parsed(body), self))
        if self.size >= len(body):
            raise CannotEnact(f"{self.text}: the body has {len(body)} bytes")
        return body[: self.size]


def edited(body: bytes, edit: str) -> bytes:
    """Return a body as changed, as `Edit.of` does; raise ValueError for what is no edit."""
    return read_edit(edit).of(body)


def changed(document: Any, edit: Edit) -> Any:
    """Return a document of dicts, lists and plain values with one field changed, in place.

    Raises CannotEnact where there is no such field, or it is what it shall be already.
    """
    *outer, last = edit.path
    holder = document
    for step in outer:
        holder = _found(holder, step, edit)
    before = _found(holder, last, edit)
    if edit.verb == "drop":
        del holder[last]
        return document
    after = _VERBS[edit.verb](before)
    if type(after) is type(before):
        raise CannotEnact(f"{edit.text}: it is null already")
    holder[last] = after
    return document


@lru_cache(maxsize=256)
def read_edit(edit: str) -> Edit:
    """Return what an edit says; raise ValueError for what says nothing."""
    if len(edit) > _LONGEST:
        raise ValueError(f"an edit is a text of up to {_LONGEST} characters")
    verb, _, rest = edit.strip().partition(" ")
    rest = rest.strip()
    if verb == TRUNCATE:
        if not _COUNT.fullmatch(rest):
            raise ValueError(f"{edit!r}: say how many bytes are left, as in 'truncate 10'")
        return Edit(edit, verb, size=int(rest))
    if verb not in (*_VERBS, "drop"):
        raise ValueError(f"{edit!r}: an edit is null, drop or retype with a path, or truncate")
    return Edit(edit, verb, _path(rest, edit))


def _path(text: str, edit: str) -> Path:
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or (not steps and match.group(0).startswith(".")):
            raise ValueError(f"{edit!r}: a path looks like a.b[0], and this one breaks at {at}")
        if steps and match["name"] is not None and not match.group(0).startswith("."):
            raise ValueError(f"{edit!r}: put a dot between names, before {match['name']!r}")
        steps.append(_step(match, edit))
        at = match.end()
    if not steps:
        raise ValueError(f"{edit!r}: say which field, as in 'null a.b[0]'")
    return tuple(steps)


def _step(match: re.Match[str], edit: str) -> Step:
    if match["place"] is not None:
        return int(match["place"])
    if match["name"] is not None:
        return match["name"]
    try:
        return str(json.loads(match["quoted"]))
    except ValueError as error:
        raise ValueError(f"{edit!r}: {match['quoted']} is no JSON string") from error


def _found(holder: Any, step: Step, edit: Edit) -> Any:
    kind: type[Any] = dict if isinstance(step, str) else list
    if type(holder) is kind:
        try:
            return holder[step]
        except LookupError:
            pass
    raise CannotEnact(f"{edit.text}: there is no field at {step!r}")


def _parsed(body: bytes) -> Any:
    if len(body) > _LARGEST:
        raise CannotEnact(f"a body of {len(body)} bytes is not taken apart")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise CannotEnact("the body is no JSON") from error


def _written(document: Any) -> bytes:
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise CannotEnact("the body can't be written again") from error


def _null(_: Any) -> None:
    return None


def _retyped(value: Any) -> Any:
    """Return a value of another JSON type, as like the old one as can be."""
    match value:
        case str():
            return len(value)
        case bool() | None:
            return json.dumps(value)
        case int() | float():
            return json.dumps(value)
        case list():
            return {str(place): item for place, item in enumerate(value)}
        case _:
            return list(value.values())


_VERBS: Final[dict[str, Callable[[Any], Any]]] = {"null": _null, "retype": _retyped}
