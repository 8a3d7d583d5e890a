"""Whether executions disturbed one another: what they showed beside others, and alone.

Compared is what has to be the same in every run: which calls were made, what came of each, and the
verdict; never times, ports, names of executions or wording.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce import Ignore
from metaapps.filibuster.tree import describe, ended

BESIDE_OTHERS: Final = (
    "executions disturb one another, since the services keep state: run one at a time (--serial), "
    "or set the state back before each (--reset CMD)"
)
AT_ANY_TIME: Final = (
    "executions differ from run to run even alone: either they leave state behind (--reset CMD), "
    "or answers hold times and the like (--ignore-answers PATTERN)"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """An execution that came out otherwise when it ran again, alone: the first call that shows it.

    `settled` says that it came out the same once more: so it was the others' doing.
    """

    execution: Execution
    text: str
    settled: bool


class Sample:
    """Some executions of a run: the same ones whatever their order. For one thread."""

    def __init__(self, size: int) -> None:
        """Hold at most `size` executions."""
        self._size = size
        # Largest digest first, so that what has to go is at the front.
        self._held: list[tuple[int, Execution]] = []

    def add(self, execution: Execution) -> None:
        """Take an execution into account."""
        place = -_digest(execution.plan)
        if any(known == place for known, _ in self._held):
            return
        if len(self._held) < self._size:
            heapq.heappush(self._held, (place, execution))
        elif self._held and place > self._held[0][0]:
            heapq.heapreplace(self._held, (place, execution))

    def __iter__(self) -> Iterator[Execution]:
        """Yield the executions, in an order of their own."""
        yield from (execution for _, execution in sorted(self._held, key=lambda each: -each[0]))


def compare(
    execution: Execution, again: Callable[[Plan], Execution], ignore: Ignore
) -> Difference | None:
    """Run an execution `again`, alone; return how that differs, None if it doesn't.

    Of the calls that `ignore` names, what the application reads is taken for equal.
    """
    alone = again(execution.plan)
    text = difference(execution, alone, ignore)
    if not text:
        return None
    settled = not difference(alone, again(execution.plan), ignore)
    return Difference(execution, text, settled)


def difference(one: Execution, other: Execution, ignore: Ignore) -> str:
    """Say where two executions of one plan differ first, "" if nowhere; as for `compare`."""
    mine, theirs = _calls(one), _calls(other)
    for index, call in mine.items():
        if index not in theirs:
            return f"{_told(call)}; alone it was not made"
        if _outcome(call, ignore) != _outcome(theirs[index], ignore):
            return f"{_told(call)}; alone {_told_of(theirs[index], call)}"
    for index, call in theirs.items():
        if index not in mine:
            return f"{_told(call)} was made alone only"
    if one.passed != other.passed:
        return f"the test {_verdict(one)}; alone it {_verdict(other)}"
    return ""


def _calls(execution: Execution) -> dict[bytes, Observation]:
    """Return an execution's calls, those that began first and lie deepest before the others."""
    calls = [seen for seen in execution.observations if seen.role is Role.CALL]
    parents = {seen.index: seen.parent for seen in execution.observations}
    calls.sort(key=lambda seen: (-_depth(seen.index, parents), seen.position))
    return {seen.index: seen for seen in calls if not seen.ambiguous}


def _depth(index: bytes, parents: dict[bytes, bytes]) -> int:
    depth = 0
    while index in parents and depth < len(parents):
        index, depth = parents[index], depth + 1
    return depth


def _outcome(call: Observation, ignore: Ignore) -> tuple[object, ...]:
    digest = None if ignore(call) else call.digest
    return call.raised, call.status, call.ok, digest, call.injected


def _told(call: Observation) -> str:
    return f"{describe(call)}: {ended(call)}"


def _told_of(call: Observation, other: Observation) -> str:
    said = ended(call)
    return f"{said} with another answer" if said == ended(other) else said


def _verdict(execution: Execution) -> str:
    return "passed" if execution.passed else "failed"


def _digest(plan: Plan) -> int:
    parts = sorted(f"{index.hex()} {fault}" for index, fault in plan.key)
    return int.from_bytes(sha256("\n".join(parts).encode()).digest()[:8])
