"""What each fault does to a real application that calls by HTTP."""

from __future__ import annotations

import pytest

from tests.filibuster.conftest import Deployed
from tests.filibuster.faults.running import ITEM, SERVICES, Lab

CLIENTS = pytest.mark.parametrize(
    "client", ["requests", "urllib3", "httpx", "httpx_async", "aiohttp"]
)
NO_CONNECTION = {
    "requests": "ConnectionError",
    "urllib3": "NewConnectionError",
    "httpx": "ConnectError",
    "httpx_async": "ConnectError",
    "aiohttp": "ClientConnectorError",
}
NO_ANSWER = {
    "requests": "ReadTimeout",
    "urllib3": "ReadTimeoutError",
    "httpx": "ReadTimeout",
    "httpx_async": "ReadTimeout",
    "aiohttp": "TimeoutError",
}
CUT_OFF = {
    "requests": "ConnectionError",
    "urllib3": "ProtocolError",
    "httpx": "ReadError",
    "httpx_async": "ReadError",
    "aiohttp": "ClientOSError",
}


@pytest.fixture(scope="module")
def lab(deployed: Deployed) -> Lab:
    return Lab(deployed(SERVICES))


@CLIENTS
def test_a_call_that_fails_on_its_way_is_never_served(lab: Lab, client: str) -> None:
    path = f"/call/once/{client}"
    for fault, raised in (("refused", NO_CONNECTION), ("timeout", NO_ANSWER), ("reset", CUT_OFF)):
        came = lab.under(f"front→back: {fault}", path=path)
        assert came.said == {"raised": raised[client], "status": None}
        assert came.served == []
    came = lab.under("front→back: status 503", path=path)
    assert (came.said["status"], came.served) == (503, [])


@CLIENTS
def test_an_answer_that_gets_lost_was_given_all_the_same(lab: Lab, client: str) -> None:
    path = f"/call/once/{client}"
    for fault, raised in (("timeout late", NO_ANSWER), ("reset after arrival", CUT_OFF)):
        came = lab.under(f"front→back: {fault}", path=path)
        assert came.said == {"raised": raised[client], "status": None}
        # aiohttp asks again by itself where a connection was reset: for each call it was served.
        assert len(came.served) == len(came.calls) >= 1
    came = lab.under("front→back: status 429 late", path=path)
    assert (came.said["status"], came.served) == (429, ["item"])


@CLIENTS
def test_a_body_is_changed_as_the_fault_says(lab: Lab, client: str) -> None:
    path = f"/call/once/{client}"

    def seen(fault: str) -> object:
        came = lab.under(f"front→back: {fault}", path=path)
        assert came.served == ["item"]
        return came.said

    user = ITEM["user"]
    assert isinstance(user, dict)
    assert seen("edit null user.name") == {"answer": {**ITEM, "user": {**user, "name": None}}}
    assert seen("edit drop tags[0]") == {"answer": {**ITEM, "tags": ["b"]}}
    assert seen("edit retype user.age") == {"answer": {**ITEM, "user": {**user, "age": "7"}}}
    assert seen("edit truncate 5") == {"text": '{"tag'}
    assert seen('body "[]"') == {"answer": []}


@CLIENTS
@pytest.mark.parametrize("fail", [1, 2, 3])
def test_when_the_first_attempts_fail_the_next_one_succeeds(
    lab: Lab, client: str, fail: int
) -> None:
    came = lab.under(f"front→back: status 503 first {fail}", path=f"/call/retry/{client}")
    failed = [attempt for attempt in came.said if "raised" in attempt]
    assert len(failed) == fail
    assert came.served == ["item"] * (fail < 3)
    assert came.said[fail:] == [{"answer": ITEM}] * (fail < 3)


@pytest.mark.parametrize("fault", ["refused", "timeout", "status 503", "timeout late"])
def test_attempts_that_a_library_makes_by_itself_are_attempts_too(lab: Lab, fault: str) -> None:
    came = lab.under(f"front→back: {fault} first 3", path="/call/session")
    assert came.said == {"answer": ITEM}
    assert len(came.calls) == 4
    assert came.served == ["item"] * (4 if "late" in fault else 1)
    came = lab.under(f"front→back: {fault} first 4", path="/call/session")
    assert came.said["raised"] in ("ConnectionError", "RetryError")


def test_a_fault_for_all_attempts_befalls_those_too_that_are_made_because_of_it(lab: Lab) -> None:
    came = lab.under("front→back: refused", path="/call/retry/requests")
    assert [attempt["raised"] for attempt in came.said] == ["ConnectionError"] * 3


def test_a_fault_may_wait_until_another_call_succeeded(lab: Lab) -> None:
    reserved = "front→back GET /serve/reserve"
    fault = f"front→back GET /serve/pay: timeout late after {reserved}"
    came = lab.under(fault, path="/call/pay")
    assert came.said == [{"answer": ITEM}, {"raised": "ReadTimeout", "status": None}]
    assert came.served == ["reserve", "pay"]
    with pytest.raises(ValueError, match="no call that came after a successful"):
        lab.under(fault, f"{reserved}: status 503", path="/call/pay")


def test_a_name_of_an_exception_is_raised_as_it_is(lab: Lab) -> None:
    came = lab.under("*→back: raise requests.exceptions.SSLError", path="/call/once/requests")
    assert came.said == {"raised": "SSLError", "status": None}
