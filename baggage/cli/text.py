"""What was decoded, as lines of text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from baggage.cli.decoded import Decoded, Entry, Root
from baggage.cli.notation import cut, in_words, plain, short, type_name
from baggage.cli.sections import section
from baggage.cli.source import MAX_HEADER, MAX_MEMBERS, Given


def lines(given: Given, decoded: Decoded, budget: int) -> Iterator[str]:
    """Yield all lines."""
    labels = {each.root: f"r{number}" for number, each in enumerate(decoded.roots, 1)}
    yield f"origin   {plain(decoded.origin) if decoded.origin else 'no service'}"
    yield from _sizes(given, budget)
    yield from section("roots", _roots(decoded.roots, labels))
    yield from section("entries", _entries(decoded.entries, labels))
    yield from section("read as", _read(decoded))
    if given.header is not None:
        foreign = [(cut(member.replace("\t", " ")),) for member in given.header.foreign]
        yield from section("foreign", foreign)
    yield from section("dropped", _dropped(given, decoded))


def _sizes(given: Given, budget: int) -> Iterator[str]:
    header = given.header
    yield f"message  {len(given.blob)} bytes"
    if header is not None:
        share = f", {100 * header.member_size / budget:.0f}%" if budget else ""
        yield f"member   {header.member_size} bytes of a budget of {budget}{share}"
        if header.foreign or header.lost:
            count = len(header.foreign) + 1
            yield f"header   {header.size} bytes of {MAX_HEADER}, {count} members of {MAX_MEMBERS}"


def _roots(roots: Iterable[Root], labels: dict[int, str]) -> Iterator[Sequence[str]]:
    for each in roots:
        identity, events = map(in_words, each.stamp)
        stamp = f"({cut(identity)}, {cut(events)})"
        lent = "" if identity == "0" else "lent"
        yield labels[each.root], f"{each.root:016x}", "stamp", stamp, f"{each.bits} bits", lent


def _entries(entries: Iterable[Entry], labels: dict[int, str]) -> Iterator[Sequence[str]]:
    for each in entries:
        dot = each.dot
        yield (
            plain(each.key),
            short(each.value),
            "" if dot is None else type_name(each.type),
            each.direction,
            f"priority {each.priority}",
            f"{each.size} bytes",
            "" if dot is None else f"({labels[dot.root]}, 0.{dot.point or '0'}, {dot.height})",
        )


def _read(decoded: Decoded) -> Iterator[Sequence[str]]:
    """Yield the keys whose values are not just those that were packed."""
    packed: dict[str, list[str]] = {}
    for each in decoded.entries:
        if each.direction == "both":
            packed.setdefault(each.key, []).append(short(each.value))
    for name, values in decoded.shows.items():
        listed = [*map(short, values)]
        if listed != packed[name]:
            yield plain(name), ", ".join(listed) or "nothing"


def _dropped(given: Given, decoded: Decoded) -> Iterator[Sequence[str]]:
    over = decoded.over
    if over is not None:
        behind = f"from {plain(over.key)} (priority {over.priority}) on" if over.key else "all"
        yield (f"keys that merge, {behind}: left out on the way for lack of room",)
    for reason in decoded.refused:
        yield (f"{reason}: services refuse that part",)
    for member, why in () if given.header is None else given.header.lost:
        yield (f"{plain(cut(member))}: {why}",)
