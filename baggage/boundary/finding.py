"""Findings: places where context gets lost, as values, and in a person's words.

How they are found is in `audit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from baggage.boundary.call import UNKNOWN_SITE, CallSite


class Problem(Enum):
    """What is wrong with the propagation at a hop."""

    STRIPPED = "stripped"
    """The callee is instrumented, and the headers got lost on the way there or back."""
    SILENT = "silent peer"
    """Who answered says nothing of what was sent: no instrumentation, or all headers get lost."""
    STALE = "stale context"
    """Work of later requests runs in the context of one that is over."""
    MISSING = "no context"
    """Work runs in no context at all while requests are served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One hop where context gets lost.

    `site` is where it showed: the call that went wrong. `crossing` is that call, as in "requests
    GET /stock", and `source` the service that made it. `peer` is the endpoint that was called, and
    `service` the name of who answered there, "" if it didn't say. `forked` is where the branch that
    has the wrong context was started; `request` whose context it is. `back` is whether what got
    lost was on its way back.
    """

    problem: Problem
    site: CallSite
    crossing: str = ""
    source: str = ""
    peer: str = ""
    service: str = ""
    forked: CallSite = UNKNOWN_SITE
    request: str = ""
    back: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """What findings of the same hop have in common."""
        if self.problem in (Problem.STALE, Problem.MISSING):
            return self.problem, self.site, self.forked
        return self.problem, self.source, self.peer or self.site, self.back

    def __str__(self) -> str:
        """Say in one line what is wrong, where, and what to do."""
        return f"{self.problem.value}: {_SENTENCES[self.problem](self)}"


def place(site: CallSite) -> str:
    """Return a call site as a person looks it up: file, line and function."""
    if site == UNKNOWN_SITE:
        return "an unknown place"
    return f"{site.file or site.module}:{site.line} in {site.function}"


def _stripped(finding: Finding) -> str:
    what = "what it sent back got lost" if finding.back else "it did not get what was sent"
    return (
        f"{finding.service or 'a service'} at {finding.peer or 'an unknown endpoint'} answered "
        f"{finding.crossing} ({place(finding.site)}), and {what}: let the `baggage` header pass "
        "whatever stands in between"
    )


def _silent(finding: Finding) -> str:
    before = ", which has said its name before," if finding.service else ""
    return (
        f"{finding.service or 'the service'} at {finding.peer or 'an unknown endpoint'}{before} "
        f"answered {finding.crossing} ({place(finding.site)}) without a word of what was sent: "
        "instrument it, let the `baggage` header pass, or leave the host out of BAGGAGE_HOSTS"
    )


def _stale(finding: Finding) -> str:
    forked = "" if finding.forked == UNKNOWN_SITE else f", started at {place(finding.forked)},"
    return (
        f"{place(finding.site)}{forked} makes {finding.crossing} in the context of "
        f"{finding.request}, which is over, while later requests are served: hand each piece of "
        "work over by a hooked pool or queue, `baggage.enclose` or `baggage.keep`, or do work that "
        "is nobody's within `baggage.request_scope()`"
    )


def _missing(finding: Finding) -> str:
    forked = "" if finding.forked == UNKNOWN_SITE else f", started at {place(finding.forked)},"
    return (
        f"{place(finding.site)}{forked} makes {finding.crossing} in no context while requests are "
        "served: hand each piece of work over by a hooked pool or queue, `baggage.enclose` or "
        "`baggage.keep`, or do work that is nobody's within `baggage.request_scope()`"
    )


_SENTENCES = {
    Problem.STRIPPED: _stripped,
    Problem.SILENT: _silent,
    Problem.STALE: _stale,
    Problem.MISSING: _missing,
}
