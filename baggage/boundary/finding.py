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
    OVERLAP = "overlap"
    """Two branches may write as one: bytes, or a process, were cloned with the right to write."""
    REUSED = "value used twice"
    """Two branches go on from one value, without a split."""
    REGRESSED = "context regression"
    """What comes back, or goes on, knows less than what was given."""
    FOREIGN = "foreign context"
    """What another request knows comes into this one."""
    LOST = "lost branch"
    """A branch, or what a callee was lent, never came home."""
    LATE = "late use"
    """Something is written in the context of a request that is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One hop where context gets lost.

    `site` is where it showed: the call that went wrong. `crossing` is that call, as in "requests
    GET /stock", and `source` the service that made it. `peer` is the endpoint that was called, and
    `service` the name of who answered there, "" if it didn't say. `forked` is where the branch that
    has the wrong context was started; `request` whose context it is. `back` is whether what got
    lost was on its way back. `other` is the other place that takes part: where a value was written
    from before, where a lost branch wrote, where a request was opened or over.
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
    other: CallSite = UNKNOWN_SITE

    @property
    def key(self) -> tuple[object, ...]:
        """What findings of the same hop have in common."""
        if self.peer or self.problem in _AT_PEERS:
            return self.problem, self.source, self.peer or self.site, self.back
        return self.problem, self.site, self.forked, self.other

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
    return (
        f"{place(finding.site)}{_started(finding)} makes {finding.crossing} in the context of "
        f"{finding.request}, which is over, while later requests are served: hand each piece of "
        "work over by a hooked pool or queue, `baggage.enclose` or `baggage.keep`, or do work that "
        "is nobody's within `baggage.request_scope()`"
    )


def _missing(finding: Finding) -> str:
    return (
        f"{place(finding.site)}{_started(finding)} makes {finding.crossing} in no context while "
        "requests are served: hand each piece of work over by a hooked pool or queue, "
        "`baggage.enclose` or `baggage.keep`, or do work that is nobody's within "
        "`baggage.request_scope()`"
    )


def _overlap(finding: Finding) -> str:
    if finding.peer:
        return (
            f"{finding.service or 'the service'} at {finding.peer} answered {finding.crossing} "
            f"({place(finding.site)}) with rights to write that had come back before: something "
            "on the way repeats answers; leave the host out of BAGGAGE_LEND"
        )
    return (
        f"{place(finding.site)} joins what may write as what is here{_given(finding)}: a part of "
        "a split is for one branch, and bytes that were lent for one callee; send others a copy"
    )


def _reused(finding: Finding) -> str:
    first = "" if finding.other == UNKNOWN_SITE else f", as {place(finding.other)} did before"
    return (
        f"{place(finding.site)}{_started(finding)} writes from a value that was written "
        f"from{first}: give each branch its own by `baggage.split`, or `departing()` to who "
        "brings nothing home"
    )


def _regressed(finding: Finding) -> str:
    if finding.peer:
        return (
            f"{finding.service or 'the service'} at {finding.peer} answered {finding.crossing} "
            f"({place(finding.site)}) knowing less than what was sent: it works in another context"
        )
    last = f"; {place(finding.other)} knew more" if finding.other != UNKNOWN_SITE else ""
    return (
        f"{place(finding.site)}{_started(finding)} joins, or goes back to, what knows less than "
        f"{finding.request} did before{last}: work on what you were given, and join what came of it"
    )


def _foreign(finding: Finding) -> str:
    opened = "" if finding.other == UNKNOWN_SITE else f", opened at {place(finding.other)}"
    return (
        f"{place(finding.site)} joins{_started(finding)} what is of {finding.request}{opened}: "
        "hand each request's work its own context, or join by `baggage.join(other, batch=True)` "
        "if a batch is meant"
    )


def _lost(finding: Finding) -> str:
    if finding.crossing:
        return (
            f"what the call at {place(finding.site)} lent never came back to {finding.request}: "
            "something removed it, the callee lost a part of it, or nobody heard the answer; leave "
            "who gives nothing back out of BAGGAGE_LEND"
        )
    last = "" if finding.other == UNKNOWN_SITE else f" wrote at {place(finding.other)}, and"
    return (
        f"the branch that {place(finding.site)} started{last} never came home to "
        f"{finding.request}: join it, or declare by `baggage.keep`, `baggage.enclose` or "
        "`baggage.request_scope` what outlives its request"
    )


def _late(finding: Finding) -> str:
    over = "" if finding.other == UNKNOWN_SITE else f" at {place(finding.other)}"
    return (
        f"{place(finding.site)}{_started(finding)} writes in the context of {finding.request}, "
        f"which is over{over}: nobody will see it; wait for it, or declare by `baggage.keep`, "
        "`baggage.enclose` or `baggage.request_scope` what outlives its request"
    )


def _started(finding: Finding) -> str:
    return "" if finding.forked == UNKNOWN_SITE else f", started at {place(finding.forked)},"


def _given(finding: Finding) -> str:
    return "" if finding.other == UNKNOWN_SITE else f", given away at {place(finding.other)}"


_AT_PEERS = frozenset({Problem.STRIPPED, Problem.SILENT})
_SENTENCES = {
    Problem.STRIPPED: _stripped,
    Problem.SILENT: _silent,
    Problem.STALE: _stale,
    Problem.MISSING: _missing,
    Problem.OVERLAP: _overlap,
    Problem.REUSED: _reused,
    Problem.REGRESSED: _regressed,
    Problem.FOREIGN: _foreign,
    Problem.LOST: _lost,
    Problem.LATE: _late,
}
