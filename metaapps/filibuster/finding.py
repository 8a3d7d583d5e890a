"""Findings: what an execution showed besides its verdict, and people should know.

Only the values; `tree`, `reduce` and `explore` make them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FindingKind(Enum):
    """What is wrong with what was seen."""

    MISSED = "missed"
    """A planned fault was not injected, though its call was made."""
    UNREACHABLE = "unreachable"
    """A planned fault was not injected, since its call wasn't made: the application varies."""
    LOST = "lost"
    """A planned fault's report is missing, so that nobody knows whether it was injected."""
    ORPHANED = "orphaned"
    """An observation's enclosing call or branch is missing."""
    DUPLICATED = "duplicated"
    """Several different observations share one execution index."""
    INCOMPLETE = "incomplete"
    """An enclosing call's events don't take the positions 0, 1, 2, …, each once."""
    UNSEEN = "unseen"
    """What a service did can't be known: it gave no answer, or a branch of it did not end."""
    AMBIGUOUS = "ambiguous"
    """Calls, or branches, that were made at once within one branch and can't be told apart."""
    NONDETERMINISTIC = "nondeterministic"
    """The same past led to different futures."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: `index` is the execution index that it is about, `text` one line for people."""

    kind: FindingKind
    index: bytes
    text: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.text}"
