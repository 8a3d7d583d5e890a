"""What each fault does to a real application that calls by gRPC, from a thread and from a loop."""

from __future__ import annotations

import pytest

from metaapps.filibuster.status import GRPC_CODES
from tests.filibuster.conftest import Deployed
from tests.filibuster.faults.running import ITEM, SERVICES, Lab

RAISED = {"grpc": "_InactiveRpcError", "grpc_aio": "AioRpcError"}
CLIENTS = pytest.mark.parametrize("client", [*RAISED])


@pytest.fixture(scope="module")
def lab(deployed: Deployed) -> Lab:
    return Lab(deployed(SERVICES))


@CLIENTS
@pytest.mark.parametrize("code", GRPC_CODES[1:])
def test_a_call_ends_with_any_code_of_grpc(lab: Lab, client: str, code: str) -> None:
    came = lab.under(f"front→back: {code}", path=f"/call/once/{client}")
    assert came.said == {"raised": RAISED[client], "status": code}
    assert came.served == []
    (call,) = came.calls
    assert call.injected is not None


@CLIENTS
@pytest.mark.parametrize("fault", ["timeout late", "NOT_FOUND late"])
def test_an_answer_that_gets_lost_was_given_all_the_same(lab: Lab, client: str, fault: str) -> None:
    came = lab.under(f"front→back: {fault}", path=f"/call/once/{client}")
    code = "NOT_FOUND" if "NOT" in fault else "DEADLINE_EXCEEDED"
    assert came.said == {"raised": RAISED[client], "status": code}
    assert came.served == ["item"]


@CLIENTS
def test_when_the_first_attempts_fail_the_next_one_succeeds(lab: Lab, client: str) -> None:
    came = lab.under("front→back: UNAVAILABLE first 2", path=f"/call/retry/{client}")
    assert [attempt.get("status") for attempt in came.said] == ["UNAVAILABLE"] * 2 + [None]
    assert (came.said[2], came.served) == ({"answer": ITEM}, ["item"])


@CLIENTS
def test_a_delay_counts_against_the_deadline(lab: Lab, client: str) -> None:
    path = f"/call/once/{client}"
    assert lab.under("front→back: delay 4.9s", path=path).said == {"answer": ITEM}
    came = lab.under("front→back: delay 5s", path=path)
    assert came.said == {"raised": RAISED[client], "status": "DEADLINE_EXCEEDED"}
    assert came.served == ["item"]
