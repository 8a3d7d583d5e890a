"""Who calls whom: the services that each service calls, by number; 0 is called from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

Shape = Callable[[int], Sequence[Sequence[int]]]


def chain(services: int) -> Sequence[Sequence[int]]:
    """Each calls the next one."""
    return [[number + 1] if number + 1 < services else [] for number in range(services)]


def fours(services: int) -> Sequence[Sequence[int]]:
    """Each calls four others, in as few levels as that takes."""
    return [
        [child for child in range(4 * number + 1, 4 * number + 5) if child < services]
        for number in range(services)
    ]


def mixed(services: int) -> Sequence[Sequence[int]]:
    """Each is called by any of those before it: always the same ones."""
    random = Random(500)
    children: list[list[int]] = [[] for _ in range(services)]
    for number in range(1, services):
        children[random.randrange(max(0, number - 40), number)].append(number)
    return children


SHAPES: Final[dict[str, Shape]] = {"chain": chain, "fours": fours, "mixed": mixed}
