"""Faults in the original's words: what it has no word for is not told as something else."""

from __future__ import annotations

import pytest

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.foreign.faults import told


def test_an_answer_that_gets_lost_is_an_exception_after_the_call() -> None:
    late = told(Fault(FaultKind.TIMEOUT, late=True), "requests")
    forced = {"name": "requests.exceptions.Timeout", "metadata": {"abort": False}}
    assert late == {"forced_exception": forced}
    plain = told(Fault(FaultKind.TIMEOUT), "requests")
    assert plain == {"forced_exception": {**forced, "metadata": {}}}


@pytest.mark.parametrize(
    ("fault", "library"),
    [
        (Fault(FaultKind.TIMEOUT, late=True), "WebClient"),
        (Fault(FaultKind.STATUS, status=503, late=True), "requests"),
        (Fault(FaultKind.STATUS, status=14, late=True), "grpc"),
        (Fault(FaultKind.BODY, edit="null a"), "requests"),
        (Fault(FaultKind.DELAY, seconds=1.0), "requests"),
        (Fault(FaultKind.DROP), "requests"),
    ],
)
def test_what_the_original_has_no_word_for_is_not_told(fault: Fault, library: str) -> None:
    assert told(fault, library) is None
