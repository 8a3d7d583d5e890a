"""Which services were heard of in a run, and which of those that were started were not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Lock

from metaapps.filibuster.observation import Observation
from metaapps.filibuster.services import Service


@dataclass(frozen=True, slots=True)
class Unheard:
    """A service that never told anything; `called` says whether it was seen to be called."""

    service: Service
    called: bool


def _itself(address: str) -> str:
    return address


class Hearing:
    """Who told something, and who was called, in all executions of a run. Safe in any thread."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._lock = Lock()
        self._heard: set[str] = set()
        self._called: set[str] = set()

    def note(self, seen: Iterable[Observation], name_at: Callable[[str], str] = _itself) -> None:
        """Take note of what was heard; `name_at` names services that did not say their names."""
        heard: set[str] = set()
        called: set[str] = set()
        for each in seen:
            heard.add(each.source)
            # Of a call that fails nobody but the plan says who it was for.
            if each.target and not each.unanswered:
                name = name_at(each.target)
                (heard if name == each.target else called).add(name)
        with self._lock:
            self._heard |= heard
            self._called |= called

    def unheard(self, services: Iterable[Service]) -> Iterator[Unheard]:
        """Yield the services that were not heard of, though they are not outside on purpose."""
        for service in services:
            if service.name not in self._heard and not service.outside:
                yield Unheard(service, service.name in self._called)
