"""Where the bytes come from: a header, our member of it, a file with either in it, or a message.

Belongs here: finding our bytes in what was given, and what is beside them. Does not: what the bytes
say (`decoded`).
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from baggage.wire import NAME, SAFE_HEADER, Unread, WireError, compose, members, unarmour

MAX_HEADER: Final = 8192
MAX_MEMBERS: Final = 64
_MAX_FILE: Final = 1 << 20
# A line of a message, a log, or curl's; and one of an environment.
_LINE: Final = re.compile(r"^[<>* \t]*" + NAME + ":(.*)", re.IGNORECASE | re.MULTILINE)
_VARIABLE: Final = re.compile(r"^(?:export )?BAGGAGE=(.*)", re.MULTILINE)
_TEXT: Final = re.compile(rb"[\t\r\n -~]*")


class Refusal(Exception):
    """Nothing of ours is in what was given; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header as it came: its length, what is passed on, and what is not, with the reasons."""

    size: int
    member_size: int
    foreign: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Given:
    """The bytes of a message; with the header that they came in, if they did."""

    blob: bytes
    header: Header | None = None

    def to_json(self, budget: int) -> dict[str, object]:
        """Return the sizes, and what else is in the header."""
        header = self.header
        if header is None:
            return {"message": {"bytes": len(self.blob)}, "member": None, "header": None}
        return {
            "message": {"bytes": len(self.blob)},
            "member": {"bytes": header.member_size, "budget": budget},
            "header": {
                "bytes": header.size,
                "members": len(header.foreign) + bool(header.member_size),
                "foreign": list(header.foreign),
                "lost": [{"member": text, "because": why} for text, why in header.lost],
            },
        }


def given(source: str) -> Given:
    """Return what is meant by an argument of the command line; raise `Refusal`."""
    if source == "-":
        return found_in(sys.stdin.buffer.read(_MAX_FILE + 1), "standard input")
    try:
        is_file = Path(source).is_file()
    except (OSError, ValueError):  # longer than a path may be, or with a zero in it
        is_file = False
    if not is_file:
        return found_in(source.encode(errors="surrogateescape"))
    try:
        with Path(source).open("rb") as file:
            return found_in(file.read(_MAX_FILE + 1), source)
    except OSError as error:
        raise Refusal(f"can't read {source}: {error.strerror}") from error


def found_in(content: bytes, where: str = "") -> Given:
    """Return what is in some bytes, which were found there; raise `Refusal` and nothing else."""
    if len(content) > _MAX_FILE:
        raise Refusal(f"more than {_MAX_FILE} bytes are no baggage")
    if not _TEXT.fullmatch(content) and (b"causal" not in content or _is_message(content)):
        return Given(content)
    text = content.decode("latin-1").strip()
    if not text:
        raise Refusal(f"nothing is in {where or 'what was given'}")
    found = [line.strip(" \t\r") for line in _LINE.findall(text)]
    found = found or [line.strip(" \t\r\"'") for line in _VARIABLE.findall(text)]
    if found or ("=" in text and "\n" not in text):
        return _in_header(",".join(found) if found else text)
    return _alone(text, where)


def _is_message(content: bytes) -> bool:
    try:
        Unread(content)
    except WireError:
        return False
    return True


def _alone(text: str, where: str) -> Given:
    try:
        size = len(compose(text, ()))
        return Given(unarmour(text), Header(size, size, (), ()))
    except WireError as error:
        told = f"no header is in {where}" if where else "neither a file nor a header"
        raise Refusal(f"{told}: {text.splitlines()[0][:40]!a}") from error


def _in_header(header: str) -> Given:
    ours, foreign, _ = members(header)
    if ours is None:
        raise Refusal(f"the header has no member of ours, which is called causal: {header[:60]!a}")
    try:
        blob = unarmour(ours)
    except WireError as error:
        raise Refusal(f"our member of the header is {error}: {ours[:40]!a}") from error
    lost = tuple(_lost(header, ours, foreign))
    return Given(blob, Header(len(header), len(compose(ours, ())), foreign, lost))


def _lost(header: str, ours: str, foreign: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the members that services don't pass on, and why."""
    passed, first = Counter(foreign), True
    if len(ours) > SAFE_HEADER:
        yield "causal", f"services read at most {SAFE_HEADER} bytes of it, and it has {len(ours)}"
    for part in header.split(","):
        member = part.strip(" \t")
        own, _, bad = members(member)
        if own is not None:
            if not first:
                yield member, "only the first member of ours counts"
            first = False
        elif bad:
            yield member, "no member by the grammar of the W3C"
        elif member and not passed[member]:
            yield member, f"beyond {MAX_MEMBERS} members or {MAX_HEADER} bytes"
        passed[member] -= 1
