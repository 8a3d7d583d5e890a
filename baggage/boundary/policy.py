"""What the person who runs a process decides about its boundaries."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

EVERYWHERE: Final = ("*",)


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings of the waist.

    `service` is this process's name. In `strict` mode a meta-application's failure is raised
    instead of logged. `budget` is in bytes of header, for our member. `hosts` are patterns of the
    hosts that may receive baggage.
    """

    service: str = "unknown"
    strict: bool = False
    budget: int = 4096
    hosts: tuple[str, ...] = EVERYWHERE

    def may_receive(self, host: str) -> bool:
        """Say whether baggage may be sent to a host."""
        return self.hosts == EVERYWHERE or any(fnmatchcase(host, p) for p in self.hosts)
