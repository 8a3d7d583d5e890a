"""Services that ended between executions: one such case, and what became of it.

Only the values. Who may be the reason is found out by the command line, and kept by the store.
"""

from __future__ import annotations

from dataclasses import dataclass

from metaapps.filibuster.observation import Death, Execution
from metaapps.filibuster.plan import Plan


@dataclass(frozen=True, slots=True)
class Case:
    """Services that ended, after executions of these plans; the last one comes first.

    `words` are the last lines that they wrote. `suspects` were under way then: if one of them ends
    a service while it runs again, it is the reason, and this is no case any more.
    """

    deaths: tuple[Death, ...]
    plans: tuple[Plan, ...]
    words: str = ""
    suspects: tuple[Plan, ...] = ()

    @property
    def candidates(self) -> tuple[Plan, ...]:
        """The plans that may be the reason: services may have ended after any of them."""
        both = (*self.suspects, *self.plans)
        return tuple(dict.fromkeys(plan for plan in both if plan.faults))


@dataclass(frozen=True, slots=True)
class Late:
    """What became of a case: the execution after which services ended once more, None for none.

    Unless it is `judged`, nobody has looked into it yet.
    """

    case: Case
    execution: Execution | None = None
    judged: bool = True
