"""The commands of streams: where their arguments are, and where entries are in their answers.

Belongs here: what Redis says of them (https://redis.io/commands/?group=stream). Does not: what is
done about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from baggage.instrumentation._redis.fields import text

Arguments = tuple[Any, ...]
See = Callable[[list[Any], str], Any]
"""What is made of the entries of a stream, by its name."""

ADDING: Final = "XADD"
_FLAGS: Final = frozenset({"NOMKSTREAM", "KEEPREF", "DELREF", "ACKED"})
_TRIMS: Final = frozenset({"MAXLEN", "MINID"})
_VALUES: Final = {"LIMIT": 1, "IDMP": 2, "IDMPAUTO": 1}
_GROUP: Final = frozenset({"XREADGROUP"})
READING: Final = frozenset({"XREAD", "XREADGROUP"})
CLAIMING: Final = frozenset({"XCLAIM", "XAUTOCLAIM"})
SETTLING: Final = frozenset({"XACK", "XACKDEL"})
LOOKING: Final = frozenset({"XRANGE", "XREVRANGE"})


def is_stream(args: Arguments) -> bool:
    """Say whether a command may be one of a stream: what is asked of all commands."""
    name = args[0] if args else None
    if type(name) is str:
        return name[:1] in "Xx"
    return isinstance(name, bytes) and name[:1] in b"Xx"


def words(args: Arguments) -> Arguments:
    """Return a command's words, the first one being its name in upper case.

    redis-py takes several words in its first argument.
    """
    first, *more = text(args[0]).split() or [""]
    return (first.upper(), *more, *args[1:])


def id_at(said: Arguments) -> int | None:
    """Return where in an XADD its entry's id is, before names and values; None where nowhere."""
    at = 2
    while at < len(said):
        word = text(said[at]).upper()
        if word in _FLAGS:
            at += 1
        elif word in _TRIMS:
            at += 3 if text(said[at + 1 : at + 2] and said[at + 1]) in ("=", "~") else 2
        elif word in _VALUES:
            at += 1 + _VALUES[word]
        else:
            break
    fields = len(said) - at - 1
    return at if fields >= 2 and fields % 2 == 0 else None


def counts_content(said: Arguments, id_at: int) -> bool:
    """Say whether Redis tells an XADD's entry from others by all of its fields."""
    return any(text(word).upper() == "IDMPAUTO" for word in said[2:id_at])


def streams(said: Arguments) -> dict[str, str]:
    """Return the streams that a command reads from as somebody who takes entries, and since when.

    What is new to a group is since ">"; "" is where the command has no such thing.
    """
    if said[0] in CLAIMING:
        return {text(name): "" for name in said[1:2]}
    if said[0] not in READING:
        return {}
    upper = [text(word).upper() for word in said]
    try:
        named = said[upper.index("STREAMS") + 1 :]
    except ValueError:
        return {}
    half = len(named) // 2
    return {
        text(name): text(since) for name, since in zip(named[:half], named[half:], strict=False)
    }


def deliveries(said: Arguments, since: str) -> int:
    """Return how often an entry was delivered by now, at least; 0 where Redis does not count."""
    if said[0] == "XCLAIM":
        upper = [text(word).upper() for word in said]
        if "RETRYCOUNT" in upper[:-1]:
            count = upper[upper.index("RETRYCOUNT") + 1]
            return int(count) if count.isdigit() else 2
    if said[0] in CLAIMING:
        return 2
    if said[0] not in _GROUP:
        return 0
    return 1 if since == ">" else 2


def group(said: Arguments) -> str:
    """Return the group that a command reads for, "" for none."""
    if said[0] in _GROUP and len(said) > 2:
        return text(said[2])
    return text(said[2]) if said[0] in CLAIMING and len(said) > 2 else ""


def needs_no_word(said: Arguments) -> bool:
    """Say whether a group need not tell when it's done with what a command reads."""
    return any(text(word).upper() == "NOACK" for word in said[3:])


def seen(said: Arguments, answer: Any, see: See) -> Any:
    """Return an answer with what `see` makes of each stream's entries in it."""
    name = text(said[1]) if len(said) > 1 else ""
    if said[0] in READING:
        return _by_stream(answer, see)
    if said[0] == "XAUTOCLAIM":
        if _is_list(answer) and len(answer) > 1 and _are_entries(answer[1]):
            answer[1] = see(answer[1], name)
        return answer
    return see(answer, name) if _are_entries(answer) else answer


def _by_stream(answer: Any, see: See) -> Any:
    """See the entries in `[[stream, entries], …]`, or in a mapping, as RESP3 has it."""
    if isinstance(answer, dict):
        for stream, found in answer.items():
            answer[stream] = _nested(found, text(stream), see)
    elif _is_list(answer):
        for pair in answer:
            if _is_list(pair) and len(pair) == 2:
                pair[1] = _nested(pair[1], text(pair[0]), see)
    return answer


def _nested(found: Any, stream: str, see: See) -> Any:
    if _are_entries(found):
        return see(found, stream)
    if _is_list(found):  # redis-py has them in a list of their own, if it's to answer as in RESP3.
        return [see(each, stream) if _are_entries(each) else each for each in found]
    return found


def _is_list(found: object) -> bool:
    return type(found) is list


def _are_entries(found: Any) -> bool:
    """Say whether these are entries, and not names alone, or what somebody else made of them."""
    return _is_list(found) and all(map(is_entry, found))


def is_entry(found: Sequence[Any]) -> bool:
    """Say whether this is an id with fields (or None for those that are deleted by now)."""
    return (
        isinstance(found, tuple | list)
        and len(found) >= 2
        and not isinstance(found[0], tuple | list)
        and (found[1] is None or isinstance(found[1], dict | list))
    )
