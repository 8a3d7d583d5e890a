"""Audit mode: what is a finding, and what is none, crossing by crossing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import (
    Boundary,
    Endpoint,
    Fault,
    FaultKind,
    Fork,
    Inject,
    Kind,
    MetaApp,
    Policy,
    Receipt,
    Returned,
)
from baggage.boundary.audit import Audit
from baggage.boundary.finding import Finding, Problem
from baggage.boundary.receipt import HEADER
from baggage.context import Branch, attached, enter, leave
from baggage.instrumentation._forking import ForkAdapter
from baggage.testing import MetaAppSuite, Parcel, ParcelAdapter, ParcelRefused, Recorder, Scripted
from baggage.wire import NAME

CLIENT, SERVER = ParcelAdapter(), ParcelAdapter(Kind.SERVER)
FORK = ForkAdapter("threads", "start", frozenset())
Strip = Callable[[Parcel], object]


def strip(*names: str) -> Strip:
    """Return what takes headers off a parcel."""
    return lambda parcel: [parcel.headers.pop(name, None) for name in names]


def nothing(parcel: Parcel) -> None:
    """Take nothing off."""


class World:
    """A caller and a callee, each with a boundary of its own, and what is between them."""

    def __init__(
        self, *, callee_audits: bool = True, may_receive: Callable[[str], bool] | None = None
    ) -> None:
        self.audit = Audit() if may_receive is None else Audit(may_receive)
        self.recorder = Recorder(kinds=(Kind.CLIENT,))
        apps = (self.audit, self.recorder)
        self.boundary = Boundary(Policy("shop", strict=True, receipts=True), apps)
        self.callee = Boundary(Policy("stock", strict=True, receipts=callee_audits), (Audit(),))

    @contextmanager
    def request(self) -> Iterator[Branch]:
        """Serve a request of the caller's process."""
        arrival = self.boundary.arrive(SERVER, Parcel())
        assert arrival is not None
        with arrival.scope():
            assert arrival.begin() is None
            yield arrival.branch
            arrival.end(Returned(None))
        arrival.close()

    def call(
        self,
        there: Strip = nothing,
        back: Strip = nothing,
        *,
        status: int = 200,
        plain: bool = False,
    ) -> Parcel:
        """Call the callee; one that is `plain` knows nothing of baggage."""

        def send() -> Parcel:
            there(request)
            answer = Parcel(status=status)
            if not plain:
                self.serve(request, answer)
            back(answer)
            return answer

        request = Parcel()
        return self.boundary.call(CLIENT, request, send)

    def serve(self, request: Parcel, answer: Parcel) -> None:
        token = enter(None)
        arrival = self.callee.arrive(SERVER, request)
        assert arrival is not None
        with arrival.scope():
            assert arrival.begin() is None
            arrival.end(Returned(answer))
            arrival.respond(answer)
        arrival.close()
        leave(token)

    def fork(self) -> Fork:
        fork = self.boundary.fork(FORK, None)
        assert fork is not None
        fork.start(lambda: None)
        return fork

    @property
    def receipt(self) -> Receipt:
        outcome = self.recorder.ended[-1].outcome
        assert outcome is not None
        return outcome.receipt

    @property
    def problems(self) -> list[Problem]:
        return [finding.problem for finding in self.audit.findings]


class TestAudit(MetaAppSuite):
    def metaapp(self) -> MetaApp:
        return Audit()


@pytest.mark.parametrize(
    ("there", "back", "receipt", "problems"),
    [
        (nothing, nothing, Receipt.COMPLETE, []),
        (strip(NAME), nothing, Receipt.NONE_CAME, [Problem.STRIPPED]),
        (strip(NAME), strip(NAME), Receipt.NONE_CAME, [Problem.STRIPPED]),
        (nothing, strip(NAME), Receipt.NONE_BACK, [Problem.STRIPPED]),
        (nothing, strip(HEADER), Receipt.COMPLETE, []),
        (nothing, strip(NAME, HEADER), Receipt.SILENT, [Problem.SILENT]),
        (strip(NAME), strip(HEADER), Receipt.SILENT, [Problem.SILENT]),
    ],
)
def test_an_answer_tells_what_got_lost(
    there: Strip, back: Strip, receipt: Receipt, problems: list[Problem]
) -> None:
    world = World()
    with world.request():
        world.call(there, back)
    assert (world.receipt, world.problems) == (receipt, problems)


def test_a_finding_names_the_place_the_peer_and_the_service() -> None:
    world = World()
    with world.request():
        world.call(strip(NAME))
    [found] = world.audit.findings
    assert (found.peer, found.service, found.source) == ("callee:80", "stock", "shop")
    assert (found.site.file, found.site.function) == (__file__, "World.call")
    assert f"{__file__}:{found.site.line} in World.call" in str(found)
    assert "stock at callee:80" in str(found)


def test_each_hop_is_logged_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with world.request():
        for _ in range(3):
            world.call(strip(NAME))
            world.call(plain=True)
    logged = [record for record in caplog.records if record.name == "baggage.audit"]
    assert [record.getMessage() for record in logged] == [str(it) for it in world.audit.findings]
    assert list(world.audit.counts.values()) == [3, 3]
    assert not any("\n" in record.getMessage() for record in logged)
    world.audit.clear()
    assert world.audit.findings == ()


@pytest.mark.parametrize("audits", [True, False])
def test_who_sends_nothing_is_told_so_in_audit_mode_alone(*, audits: bool) -> None:
    arrival = World(callee_audits=audits).callee.arrive(SERVER, Parcel())
    assert arrival is not None
    assert arrival.aware is audits
    arrival.close()


def test_a_callee_without_audit_mode_is_understood() -> None:
    world = World(callee_audits=False)
    with world.request():
        answer = world.call()
    assert (world.receipt, HEADER in answer.headers) == (Receipt.COMPLETE, False)


def test_without_receipts_none_are_written_or_read() -> None:
    world = World(callee_audits=False)
    world.boundary.configure(Policy("shop", strict=True))
    with world.request():
        answer = world.call(plain=True)
    assert (world.receipt, answer.headers, world.problems) == (Receipt.UNKNOWN, {}, [])


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_an_error_without_a_word_may_be_anyones(status: int) -> None:
    world = World()
    with world.request():
        world.call(status=status, plain=True)
    assert (world.receipt, world.problems) == (Receipt.SILENT, [])


def test_a_host_that_may_receive_nothing_owes_no_word() -> None:
    world = World()
    world.boundary.configure(Policy("shop", receipts=True, hosts=("elsewhere",)))
    with world.request():
        world.call(plain=True)
    assert (world.receipt, world.problems) == (Receipt.UNKNOWN, [])


def test_what_a_tool_made_happen_is_no_finding() -> None:
    world = World()
    world.boundary.register(Scripted(Inject(Fault(FaultKind.REFUSED))))
    with world.request(), pytest.raises(ParcelRefused):
        world.call(plain=True)
    assert world.problems == []


def test_a_peer_that_fell_silent_is_named_by_the_name_it_gave() -> None:
    world = World()
    with world.request():
        world.call()
        world.call(plain=True)
    [found] = world.audit.findings
    assert (found.problem, found.service) == (Problem.SILENT, "stock")
    assert "said its name before" in str(found)


def test_a_call_in_no_context_is_a_finding_while_a_request_is_served() -> None:
    world = World()
    with world.request():
        elsewhere(world.call)
    assert world.problems == [Problem.MISSING]


def test_a_call_in_no_context_is_nobodys_where_such_are_made_between_requests() -> None:
    world = World()
    elsewhere(world.call)
    with world.request():
        elsewhere(world.call)
    elsewhere(world.call)
    assert world.problems == []


def test_a_host_that_may_receive_nothing_may_be_called_in_any_context() -> None:
    world = World(may_receive=lambda host: host != "callee")
    with world.request():
        kept = world.fork().child
        elsewhere(world.call)
        with attached(kept):
            world.call()
    with world.request(), attached(kept):
        world.call()
    assert world.problems == []


def test_a_thread_that_is_started_without_a_request_may_fork_while_one_is_served() -> None:
    world = World()
    with world.request():
        elsewhere(world.fork)
    assert world.problems == []


@given(st.lists(st.booleans(), max_size=6))
def test_what_outlives_its_request_and_acts_once_is_no_finding(after: list[bool]) -> None:
    world = World()
    outliving = []
    for later in after:
        with world.request():
            outliving.append(world.fork())
            world.call()
            if later:
                outliving.pop(0).run(world.call)
    for fork in outliving:
        fork.run(world.call)
    assert world.problems == []


@given(st.integers(1, 4))
def test_a_branch_that_serves_later_requests_is_found(later: int) -> None:
    world = World()
    with world.request():
        kept = world.fork().child
        with attached(kept):
            world.call()
    for _ in range(later):
        with world.request(), attached(kept):
            world.call()
    [found] = world.audit.findings
    assert (found.problem, found.request) == (Problem.STALE, "SEND parcel")
    assert found.forked.function == "World.fork"
    assert list(world.audit.counts.values()) == [later]


def test_a_branch_that_serves_its_own_request_often_is_no_finding() -> None:
    world = World()
    with world.request():
        kept = world.fork().child
        with world.request():
            pass
        for _ in range(3):
            with attached(kept):
                world.call()
    with attached(kept):
        world.call()
    assert world.problems == []


def test_a_request_of_before_the_audit_is_left_alone() -> None:
    world = World()
    world.boundary.unregister("audit")
    with world.request():
        kept = world.fork().child
    world.boundary.register(world.audit)
    for _ in range(3):
        with world.request(), attached(kept):
            world.call()
    assert world.problems == []


def test_no_more_findings_are_kept_than_a_process_can_bear() -> None:
    world = World()
    world.boundary.unregister("recorder")
    with world.request():
        for port in range(1, 1100):
            adapter = ParcelAdapter(endpoint=Endpoint("callee", port))
            world.boundary.call(adapter, Parcel(), Parcel)
    assert len(world.audit.findings) == 1024


def test_a_forked_child_goes_on_whatever_its_parent_was_at() -> None:
    script = """
import os
from baggage.boundary.audit import Audit
audit = Audit()
with audit._lock:
    child = os.fork()
    if not child:
        audit.clear()
        os._exit(0)
raise SystemExit(os.waitpid(child, 0)[1])
"""
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=300).returncode == 0


def test_findings_are_values() -> None:
    world = World()
    with world.request():
        world.call(plain=True)
    [found] = world.audit.findings
    assert isinstance(found, Finding)
    assert hash(found) == hash(found)


def elsewhere(work: Callable[[], object]) -> None:
    """Do something in a thread that nothing hooks."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
