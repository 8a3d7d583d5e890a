"""Scopes that are opened by hand, and audit mode as a process switches it."""

from __future__ import annotations

import pytest

from baggage.boundary import Boundary, Kind, Raised
from baggage.boundary.audit import Audit
from baggage.context import attached, branch, current, enter, leave, pack, suppressed, unpack
from baggage.runtime import Runtime, Settings
from baggage.runtime.scoping import request_scope
from baggage.testing import Recorder
from baggage.values import EMPTY, Baggage, Direction, key
from tests.boundary.parts import strict

HOME = key("recorder.seen", direction=Direction.HOME)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(kinds=(Kind.SERVER,))


@pytest.fixture
def boundary(recorder: Recorder) -> Boundary:
    return strict(recorder)


def test_a_scope_starts_empty_and_leaks_nothing(boundary: Boundary) -> None:
    with attached(EMPTY):
        pack("tenant", "blue")
        with request_scope(boundary, "", EMPTY) as scope:
            assert unpack("tenant") == ()
            pack("tenant", "red")
            assert (branch(), scope.over) == (scope, False)
        assert scope.over
        assert unpack("tenant") == ("blue",)


def test_a_scope_knows_what_it_is_given_and_writes_for_itself(boundary: Boundary) -> None:
    with attached(Baggage().pack("tenant", "blue")) as outer:
        with request_scope(boundary, "", current()):
            pack("tenant", "red")
            assert sorted(map(str, unpack("tenant"))) == ["blue", "red"]
            inner = current()
        pack("tenant", "green")
        outer.join(inner)
        assert sorted(map(str, unpack("tenant"))) == ["blue", "green", "red"]


def test_a_scope_is_an_arrival_to_whoever_is_interested(
    boundary: Boundary, recorder: Recorder
) -> None:
    with request_scope(boundary, "nightly", EMPTY):
        pass
    error = ValueError("the application's own")
    with pytest.raises(ValueError, match="own") as caught, request_scope(boundary, "", EMPTY):
        raise error
    assert caught.value is error
    assert [it.call.operation for it in recorder.ended] == ["nightly", "request_scope"]
    assert isinstance(recorder.ended[1].outcome, Raised)


def test_what_is_to_go_home_from_a_scope_goes_to_its_owner(
    boundary: Boundary, recorder: Recorder
) -> None:
    with request_scope(boundary, "", EMPTY):
        pack(HOME, "seen")
    assert recorder.lost == [("recorder.seen", "seen")]


def test_what_is_muted_stays_so_in_a_scope(boundary: Boundary, recorder: Recorder) -> None:
    with suppressed(), request_scope(boundary, "", EMPTY) as scope:
        assert scope.muted
    assert recorder.ended == []


def test_a_scope_that_is_left_elsewhere_restores_nothing(
    boundary: Boundary, caplog: pytest.LogCaptureFixture
) -> None:
    scope = request_scope(boundary, "", EMPTY)
    token = enter(None)
    scope.__enter__()
    leave(token)
    scope.__exit__(None, None, None)
    assert branch() is None


def test_audit_mode_is_switched_on_and_off() -> None:
    runtime = Runtime(Settings(metaapps=frozenset()))
    assert not runtime.audits
    audit = runtime.audit()
    assert runtime.audit() is audit
    assert (runtime.boundary.apps, runtime.boundary.configured.receipts) == ((audit,), True)
    assert runtime.audit(on=False) is audit
    assert (runtime.boundary.apps, runtime.boundary.configured.receipts) == ((), False)


def test_audit_mode_comes_by_the_settings() -> None:
    runtime = Runtime(Settings(metaapps=frozenset(), audit=True))
    assert runtime.start()
    assert runtime.audits
    assert [type(app) for app in runtime.boundary.apps] == [Audit]
