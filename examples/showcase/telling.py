"""What the showcase found, in words: the bill, the trace, and why plans were pruned. Pure text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.tracing.causality import Causality
from metaapps.tracing.span import Span
from metaapps.tracing.tree import Row, traces

WIDE = 46
BAR = 40


# The bill


def billed(orders: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a table: a row for each resource, the tenants side by side, and what it comes to."""
    uses = [{use["resource"]: use for use in order["used"]} for order in orders]
    tenants = (f"{order['tenant']:>12}{'bytes':>8}{'mJ':>7}" for order in orders)
    yield "".join([f"{'':20}", *tenants])
    for resource in sorted(set().union(*uses)):
        yield _row(resource, [_amounts([used.get(resource, {})]) for used in uses])
    yield _row("in all", [_amounts(used.values()) for used in uses])


def _amounts(uses: Iterable[Mapping[str, Any]]) -> tuple[int, ...]:
    """Return how often, how many bytes, and how many mJ these come to."""
    units = ("times", "bytes", "millijoules")
    told = [[use.get(unit, 0) for unit in units] for use in uses]
    return tuple(sum(column) for column in zip(*told, strict=True))


def _row(title: str, amounts: Iterable[Sequence[int]]) -> str:
    told = (f"{times:>11}×{size:>8}{cost:>7}" for times, size, cost in amounts)
    return "".join([f"  {title:18}", *told])


# The trace


def traced(spans: Sequence[Span]) -> Iterator[str]:
    """Yield one trace as a waterfall: who called whom, when, and which parts all waited for."""
    (trace,) = traces(spans)
    path = Causality.of(spans).critical_path(trace.rows[0].span)
    begin = trace.rows[0].span.timestamp
    for row in trace.rows:
        span = row.span
        awaited = [(step.begin, step.end) for step in path if step.span is span]
        cells = [_cell(place, begin, trace.duration, span, awaited) for place in range(BAR)]
        title = f"{'  ' * row.depth}{span.local.service} {_doing(row)}"
        took = f"{span.duration / 1000:7.1f} ms" if span.duration else ""
        yield f"  {title[:WIDE]:{WIDE}}{took:>10}  {''.join(cells)}".rstrip()


def _doing(row: Row) -> str:
    span = row.span
    if span.kind is not None and span.kind.departs and span.remote.service:
        return f"{span.name} → {span.remote.service}"
    return span.name


def _cell(
    place: int, begin: int, duration: int, span: Span, awaited: Sequence[tuple[int, int]]
) -> str:
    left, right = (begin + duration * edge // BAR for edge in (place, place + 1))
    if any(max(first, left) < min(last, right) for first, last in awaited):
        return "█"
    return "░" if span.timestamp < right and span.timestamp + span.duration > left else " "


def awaited(spans: Sequence[Span]) -> str:
    """Return the services of a trace by how long everybody waited for them, in one line."""
    (trace,) = traces(spans)
    path = Causality.of(spans).critical_path(trace.rows[0].span)
    waited: Counter[str] = Counter()
    for step in path:
        waited[step.span.local.service or "?"] += step.end - step.begin
    return ", ".join(f"{name} {time / 1000:.0f}" for name, time in waited.most_common()) + " ms"


# Why plans were pruned

Ran = tuple[int, frozenset[str], Execution]
Committed = Sequence[tuple[Mapping[str, Any], Execution | None]]


def reasons(committed: Committed) -> Iterator[str]:
    """Yield why plans were pruned, in a line for each reason, the most frequent first.

    The reason is an answer that hides faults: a call under which they lie was answered in an
    earlier execution as it's answered under them, so that its caller can't tell one from the other.
    """
    ran = [
        (content["number"], _planned(content), execution)
        for content, execution in committed
        if content["event"] == "ran" and execution is not None
    ]
    plans = [_planned(content) for content, _ in committed if content["event"] == "pruned"]
    counted = Counter(_reason(plan, ran) for plan in plans)
    for (call, number), count in counted.most_common():
        (first,) = (execution for each, _, execution in ran if each == number)
        faults = " + ".join(f"{each.target} {each.fault}" for each in first.plan.faults)
        yield f"{count:>3} × {call} as in execution {number}: {faults or 'no faults'}"


def _planned(content: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(json.dumps(fault, sort_keys=True) for fault in content["plan"])


def _reason(plan: frozenset[str], ran: Sequence[Ran]) -> tuple[str, int]:
    """Return the call that hides faults of a plan, and the first execution that answered it so."""
    for _, faults, execution in reversed(ran):
        if faults and faults <= plan:
            for call in _around(execution):
                for number, _, other in ran:
                    if other is execution:
                        break
                    if any(_alike(call, seen) for seen in other.observations):
                        return f"{call.target} answers {call.operation}", number
    return "nothing is new, and it ends", 1


def _around(execution: Execution) -> list[Observation]:
    """Return the calls around all faults of an execution that were answered, innermost first."""
    events = {seen.index: seen for seen in execution.observations}
    chains = []
    for fault in execution.plan.faults:
        chain, index = [], fault.index
        while index in events and events[index].parent != ROOT:
            index = events[index].parent
            chain.append(index)
        chains.append(chain)
    first, *others = chains
    common = [events[index] for index in first if all(index in chain for chain in others)]
    return [call for call in common if call.role is Role.CALL and call.digest and not call.by_test]


def _alike(call: Observation, other: Observation) -> bool:
    outcome = (call.index, call.status, call.digest)
    return outcome == (other.index, other.status, other.digest)
