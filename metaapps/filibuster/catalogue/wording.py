"""Faults in words: `status 503`, `UNAVAILABLE`, `delay 300ms`, `edit "null user.name"`.

What can't be a fault is refused with what can. Where it befalls is in `calls`, when in `rule`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from baggage.boundary import Fault, FaultKind
from baggage.boundary.edit import read_edit
from metaapps.filibuster.catalogue.calls import RuleError
from metaapps.filibuster.status import GRPC_CODES

MODIFIERS: Final = ("late", "first", "after")
"""The words that follow a fault, and so end an unquoted text."""
LEAST_SECONDS: Final = 0.001
MOST_SECONDS: Final = 3600.0
_PLAIN: Final = ("refused", "timeout", "reset", "cancelled", "drop", "duplicate")
_STATUS: Final = re.compile(r"[1-5][0-9][0-9]")
_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_DURATION: Final = re.compile(r"(?P<number>\d{1,9}(\.\d{1,3})?)\s*(?P<unit>ms|s)")
EDIT: Final = r"(null|drop|retype)\s+[^\s.].*|truncate\s+[0-9]{1,12}"
"""What an edit looks like, for a schema."""
NEVER_LATE: Final = frozenset(
    {FaultKind.REFUSED, FaultKind.DELAY, FaultKind.DROP, FaultKind.DUPLICATE}
)

FAULTS: Final = (
    "refused, timeout, reset, cancelled, status 503, a gRPC code such as UNAVAILABLE, "
    'raise pkg.Error, body "text", edit "null a.b" (or drop, retype, truncate 10), delay 300ms, '
    "and for messages drop, duplicate, delay"
)
"""All that can be said, for people."""


class Words:
    """The words of a text, taken one after the other; a quoted one is a JSON string."""

    _WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"(?!\S)|\S+')

    def __init__(self, text: str) -> None:
        """Start before the first word."""
        self._text = text
        self._words = [*self._WORD.finditer(text)]
        self._at = 0

    @property
    def next(self) -> str:
        """The next word as it is written, "" at the end."""
        return self._words[self._at].group() if self._at < len(self._words) else ""

    def take(self) -> str:
        """Return the next word, and go on."""
        word = self.next
        self._at += 1
        return word

    def text(self, needed: str) -> str:
        """Take a quoted text, or what stands before a modifier; RuleError where nothing does."""
        if self.next.startswith('"'):
            return _unquoted(self.take())
        taken = self.until_modifier()
        if not taken:
            raise RuleError(f"{needed}, in quotation marks if it has words like 'late' in it")
        return taken

    def until_modifier(self) -> str:
        """Take what stands before the next modifier, with its spaces."""
        start = self._at
        while self.next and self.next not in MODIFIERS:
            self._at += 1
        words = self._words[start : self._at]
        return self._text[words[0].start() : words[-1].end()] if words else ""


def _unquoted(word: str) -> str:
    try:
        found = json.loads(word, strict=False)
    except ValueError as error:
        raise RuleError(
            f'{word[:40]} is no text in quotation marks: write "like \\"this\\""'
        ) from error
    return str(found)


def parse_fault(words: Words) -> Fault:
    """Take a fault from words. A body is changed in an answer that came.

    Raises RuleError, whose message doesn't repeat the whole text.
    """
    word = words.take()
    if word in _PLAIN:
        return Fault(FaultKind(word))
    if word in GRPC_CODES[1:]:
        return Fault(FaultKind.STATUS, status=GRPC_CODES.index(word))
    with_more = _WITH_MORE.get(word)
    if with_more is None:
        raise RuleError(unknown(word))
    return with_more(words)


def unknown(word: str) -> str:
    """Say that a word is no fault, which it may mean, and which there are."""
    if not word:
        return f"say what shall happen: {FAULTS}"
    if word.isdecimal():
        return f"{word!r} is no fault: did you mean 'status {word}'? Say one of: {FAULTS}"
    near = nearest(word, [*_PLAIN, *_WITH_MORE, *GRPC_CODES[1:]])
    meant = f" did you mean {near!r}?" if near else ""
    return f"{word[:40]!r} is no fault:{meant} Say one of: {FAULTS}"


def nearest(word: str, known: Sequence[str]) -> str:
    """Return what was likely meant by a word, "" if nothing known is near."""
    folded = {name.casefold(): name for name in reversed(known)}
    found = get_close_matches(word.casefold(), folded, 1, 0.6)
    return folded[found[0]] if found else ""


def make_late(fault: Fault) -> bool:
    """Say whether `late` has to be set for a fault that shall befall an answer; refuse nonsense."""
    if fault.kind in NEVER_LATE:
        raise RuleError(
            f"{fault.kind.value} doesn't come late: only an answer that came can be lost"
        )
    # An edit always befalls an answer.
    return fault.edit is None


def worded(fault: Fault) -> str:
    """Return a fault in words: `parse_fault` makes the same of them, but for `late`."""
    if fault.kind is FaultKind.STATUS:
        told = _told_status(fault.status or 0)
    elif fault.edit is not None:
        return f"edit {json.dumps(fault.edit)}"
    elif fault.seconds is not None:
        return f"delay {f'{fault.seconds:.3f}'.rstrip('0').rstrip('.')}s"
    else:
        told = fault.kind.value if fault.kind is not FaultKind.BODY else ""
    body = None if fault.body is None else fault.body.decode("utf-8", "surrogatepass")
    more = (told, fault.name, None if body is None else f"body {json.dumps(body)}")
    return " ".join(filter(None, more))


def _told_status(status: int) -> str:
    return GRPC_CODES[status] if 0 < status < len(GRPC_CODES) else f"status {status}"


def _status(words: Words) -> Fault:
    word = words.take()
    if word in GRPC_CODES[1:]:
        return Fault(FaultKind.STATUS, status=GRPC_CODES.index(word))
    if word.isdecimal() and 0 < int(word) < len(GRPC_CODES):
        return Fault(FaultKind.STATUS, status=int(word))
    if not _STATUS.fullmatch(word):
        near = nearest(word, GRPC_CODES[1:])
        meant = f" (did you mean {near!r}?)" if near else ""
        raise RuleError(
            f"{word!r} is no status{meant}: give one of HTTP or gRPC, as in 'status 503'"
        )
    body = None
    if words.next == "body":
        words.take()
        body = words.text("give the text that shall be answered").encode("utf-8", "surrogatepass")
    return Fault(FaultKind.STATUS, status=int(word), body=body)


def _raise(words: Words) -> Fault:
    word = words.take()
    if not _NAME.fullmatch(word):
        advice = "as in 'raise requests.exceptions.SSLError'"
        raise RuleError(f"{word!r} is no name of an exception: give its full name, {advice}")
    return Fault(FaultKind.RAISE, name=word)


def _body(words: Words) -> Fault:
    text = words.text("give the text that shall be answered, as in 'body \"not JSON\"'")
    return Fault(FaultKind.BODY, body=text.encode("utf-8", "surrogatepass"), late=True)


def _edit(words: Words) -> Fault:
    return Fault(FaultKind.BODY, edit=checked_edit(words.text("say how to change the answer")))


def checked_edit(text: str) -> str:
    """Return the text of an edit. Raises RuleError for what is none."""
    edit = text.strip()
    try:
        read_edit(edit)
    except ValueError as error:
        near = nearest(edit.partition(" ")[0], ["null", "drop", "retype", "truncate"])
        meant = f" (did you mean {near!r}?)" if near and not edit.startswith(near) else ""
        raise RuleError(f"{error}{meant}") from error
    return edit


def _delay(words: Words) -> Fault:
    text = words.until_modifier()
    found = _DURATION.fullmatch(text)
    seconds = 0.0
    if found is not None:
        scale = 1000 if found["unit"] == "ms" else 1
        seconds = round(float(found["number"]) / scale, 3)
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        advice = "as in 'delay 2s' or 'delay 300ms', at most an hour"
        raise RuleError(f"{text[:40]!r} is no time: give seconds or milliseconds, {advice}")
    return Fault(FaultKind.DELAY, seconds=seconds)


_WITH_MORE: Final[Mapping[str, Callable[[Words], Fault]]] = {
    "status": _status,
    "raise": _raise,
    "body": _body,
    "edit": _edit,
    "delay": _delay,
}
