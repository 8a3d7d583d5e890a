"""What the person who runs a process decides about its boundaries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from baggage.context.overrides import VARIABLES

# Asked several times at each crossing: what they hold is as `override` says it.
_STRICT, _BUDGET, _SERVICE = (VARIABLES[name] for name in ("strict", "budget", "service"))
EVERYWHERE: Final = ("*",)


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings of the waist.

    `service` is this process's name. In `strict` mode a meta-application's failure is raised
    instead of logged. `budget` is in bytes of header, for our member. `hosts` are patterns of the
    hosts that may receive baggage. With `receipts`, arrivals tell on the response what came with
    the request, and departures read that; see `receipt`.

    `lend` are patterns of the hosts that are lent the right to write, too, and trusted to give it
    back: where nothing on the way sends a request or an answer twice. Who lends to anybody also
    takes what it is lent: an arrival knows no host of its caller. See `docs/lending.md`.
    """

    service: str = "unknown"
    strict: bool = False
    budget: int = 4096
    hosts: tuple[str, ...] = EVERYWHERE
    receipts: bool = False
    lend: tuple[str, ...] = ()

    def may_receive(self, host: str) -> bool:
        """Say whether baggage may be sent to a host."""
        return _matches(self.hosts, host)

    def may_borrow(self, host: str) -> bool:
        """Say whether a host may be lent ids: one that may receive baggage at all."""
        return _matches(self.lend, host) and _matches(self.hosts, host)

    def in_session(self) -> Policy:
        """Return the policy with what the current session overrides of it."""
        strict, budget, service = _STRICT.get(), _BUDGET.get(), _SERVICE.get()
        if strict is None and budget is None and service is None:
            return self
        return replace(
            self,
            strict=self.strict if strict is None else strict,
            budget=self.budget if budget is None else budget,
            service=self.service if service is None else service,
        )


def _matches(patterns: tuple[str, ...], host: str) -> bool:
    return patterns == EVERYWHERE or any(fnmatchcase(host, pattern) for pattern in patterns)
