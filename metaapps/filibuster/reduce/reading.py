"""How answers are told apart: what of an answer its caller's next step is taken to depend on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from baggage.boundary import Fault
from metaapps.filibuster.observation import Observation

Ignore = Callable[[Observation], bool]
"""Says of which calls the answers are taken for equal."""

_IGNORED: Final = b"ignored"


def nothing(_: Observation) -> bool:
    """Say that no call is one of these."""
    return False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from a call, as far as its caller's next step depends on it.

    `delayed` are simulated seconds that it took. `certain` is False where it can't be told from
    others, since nobody knows what the caller read: such an answer equals nothing, not even itself.
    `spared` is one that a fault was planned for, which could not be enacted.
    """

    raised: str | None = None
    status: int | None = None
    ok: bool = False
    digest: bytes | None = None
    delayed: float = 0.0
    certain: bool = True
    spared: bool = False

    def encoded(self) -> bytes:
        """Return bytes that tell this answer from any other."""
        return repr((self.raised, self.status, self.ok, self.digest, self.delayed)).encode()

    def onto(self, call: Observation, injected: Fault | None, **placed: object) -> Observation:
        """Return the observation of a call that got this back, from a fault or by itself."""
        return replace(
            call,
            raised=self.raised,
            status=self.status,
            ok=self.ok,
            digest=self.digest,
            delayed=self.delayed,
            injected=injected,
            **placed,  # type: ignore[arg-type]
        )

    def __str__(self) -> str:
        if self.raised is not None:
            return f"raised {self.raised}"
        content = f" ({self.digest.hex()[:8]})" if self.digest is not None else ""
        return f"answered {'ok' if self.status is None else self.status}{content}"


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to tell answers apart.

    A success counts by its status and by the digest of what the caller read. A failure counts by
    the name of its exception and by its status; if `strict` also by such a digest, where there is
    one. Of the calls that `ignore` names, digests are taken for equal.
    """

    strict: bool = False
    ignore: Ignore = nothing

    def answer(self, call: Observation) -> Answer:
        """Return what an observed call got back."""
        return self._blurred(self.exact(call), call)

    def exact(self, call: Observation) -> Answer:
        """Return what an observed call got back, though answers to it be ignored."""
        failed = call.raised is not None
        read = self.strict or (call.ok and not failed)
        digest = call.digest if read else None
        return Answer(
            call.raised,
            call.status,
            call.ok and not failed,
            digest,
            call.delayed,
            certain=failed or not read or digest is not None,
        )

    def fault(self, answer: Answer, call: Observation) -> Answer:
        """Return what the answer that a fault makes is to the caller that makes this call."""
        return self._blurred(answer, call)

    def _blurred(self, answer: Answer, call: Observation) -> Answer:
        read = self.strict or answer.ok
        if not read or not self.ignore(call):
            return answer
        return replace(answer, digest=_IGNORED, certain=True)
