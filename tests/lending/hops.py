"""Hops of one process, through all that makes a message and reads it, without sockets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from baggage.context import Branch, attached, ensure, pack
from baggage.values import EMPTY, Baggage, fit, receive
from baggage.values.lending import admitted, bearing, coming_home, lease_of
from tests.lending.measuring import Cost, cost

AtOnce = Callable[[int], bool]


@dataclass(slots=True)
class Request:
    """A request to service 0 that each service packs its number for; `children` are who it calls.

    `at_once` says which services call theirs at once, in branches of their own. Messages have
    `budget` bytes; each of them is in `messages`, and in `lent` whether ids went along.
    """

    children: Sequence[Sequence[int]]
    lends: bool
    at_once: AtOnce = lambda _: False
    budget: int | None = None
    messages: list[bytes] = field(default_factory=list)
    lent: list[bool] = field(default_factory=list)

    def costs(self, every: int = 1) -> list[Cost]:
        """Return what messages cost, from the last one to the first; those with ten entries."""
        costs = map(cost, self.messages[::-every])
        return [each for each in costs if each.entries >= 10]

    def run(self) -> Baggage:
        """Make the request; return what came home."""
        with attached(EMPTY) as running:
            self._call(0)
            return running.baggage

    def _call(self, number: int) -> None:
        running = ensure()
        here = running.baggage
        lends = self.lends and here.history.own
        sent = running.lend() if lends else here.departing()
        lease = lease_of(sent)
        answer = receive(self._serve(number, self._sent(sent)), lent=self.lends)
        here = running.baggage
        taken, _ = admitted(lease, answer, here)
        running.join(coming_home(answer, taken, here))

    def _sent(self, baggage: Baggage) -> bytes:
        fitted = fit(baggage, self.budget, "service", lending=self.lends)
        self.messages.append(fitted.blob)
        self.lent.append(fitted.lent)
        return fitted.blob

    def _serve(self, number: int, blob: bytes) -> bytes:
        came = receive(blob, lent=self.lends)
        with attached(Branch(came, f"service{number}")) as running:
            pack("n", number)
            children = self.children[number]
            if self.at_once(number):
                self._call_at_once(running, children)
            else:
                for child in children:
                    self._call(child)
            back = running.baggage.returning(since=came)
            if self.lends:
                given = running.lend()
                back = bearing(given.returning(since=came), given.history.own)
            return self._sent(back)

    def _call_at_once(self, running: Branch, children: Sequence[int]) -> None:
        branches = [running.fork() for _ in children]
        for branch, child in zip(branches, children, strict=True):
            with attached(branch):
                self._call(child)
        for branch in branches:
            running.rejoin(branch)
