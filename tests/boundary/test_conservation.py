"""The law of conservation: what breaks it is found once, by both places; what keeps it is not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

import baggage
from baggage.boundary import Boundary, CallSite, Policy
from baggage.boundary.accounts import Accounts
from baggage.boundary.audit import Audit
from baggage.boundary.call import Kind
from baggage.boundary.conservation import Conservation
from baggage.boundary.finding import Finding, Problem
from baggage.boundary.opened import Opened, Requests
from baggage.context import Branch, attached, branch, ensure
from baggage.runtime.branching import keep, split
from baggage.runtime.scoping import request_scope
from baggage.runtime.stepping import stepwise
from baggage.testing import Parcel
from baggage.testing.parcel import ParcelAdapter
from baggage.values import EMPTY, Baggage
from tests.auditing.programs import FORK
from tests.boundary.parts import HOME


class Shop:
    """A process under audit."""

    def __init__(self) -> None:
        self.audit = Audit()
        self.boundary = Boundary(Policy("shop", strict=True, receipts=True), (self.audit,))

    @contextmanager
    def request(self, name: str = "an order", carried: Baggage = EMPTY) -> Iterator[Branch]:
        with request_scope(self.boundary, name, carried) as opened:
            yield opened

    def fork(self) -> Branch:
        fork = self.boundary.fork(FORK, None)
        assert fork is not None
        fork.start(lambda: None)
        return fork.child

    @property
    def problems(self) -> list[Problem]:
        return [finding.problem for finding in self.audit.findings]

    @property
    def only(self) -> Finding:
        [finding] = self.audit.findings
        return finding


@pytest.fixture
def shop() -> Shop:
    return Shop()


def function(site: CallSite) -> str:
    return site.function.rpartition(".")[2]


def test_a_request_owns_a_root_from_its_beginning(shop: Shop) -> None:
    with shop.request() as outer:
        [(root, identity)] = outer.baggage.history.own.items()
        assert (identity, dict(outer.baggage.history.seen)) == (1, {root: 1})
        with shop.request("a part", baggage.current()) as inner:
            [(other, _)] = inner.baggage.history.own.items()
            assert other != root
            assert inner.baggage.history.known is outer.baggage.history.known
    assert shop.problems == []


def test_without_an_audit_nothing_is_watched() -> None:
    boundary = Boundary(Policy("shop"))
    with request_scope(boundary, "an order", EMPTY) as opened:
        assert (opened.watch, opened.baggage.history.own) == (None, {})


def test_a_branch_that_never_comes_home_is_named_by_its_start_and_its_last_write(
    shop: Shop,
) -> None:
    def start() -> Branch:
        return ensure().split()

    def write(part: Branch) -> None:
        part.pack("n", 1)

    with shop.request():
        write(start())
    found = shop.only
    assert (found.problem, found.request) == (Problem.LOST, "an order")
    assert (function(found.site), function(found.other)) == ("start", "write")
    assert f"{__file__}:{found.site.line} in " in str(found)
    assert f" wrote at {__file__}:" in str(found)


def test_what_was_split_by_hand_is_missed_even_if_nobody_wrote_with_it(shop: Shop) -> None:
    with shop.request() as opened:
        _, part = split(shop.boundary)
        assert part.baggage.history.own
        opened.recall()
    assert shop.only.problem is Problem.LOST


def test_what_was_given_on_is_missed_where_it_was_given_on(shop: Shop) -> None:
    with shop.request() as opened:
        child = opened.split()

        def give_on() -> Branch:
            return child.split()

        give_on()
        opened.join(child)
    assert function(shop.only.site) == "give_on"


def test_what_another_branch_took_home_is_missed_with_that_one(shop: Shop) -> None:
    with shop.request() as opened:

        def start() -> Branch:
            return opened.split()

        taker, child = start(), opened.split()
        child.pack("n", 1)
        taker.join(child)
    found = shop.only
    assert (found.problem, function(found.site)) == (Problem.LOST, "start")


def test_what_a_value_was_attached_and_written_from_is_missed(shop: Shop) -> None:
    with shop.request() as opened, attached(opened.baggage):
        baggage.pack("n", 1)
    found = shop.only
    assert (found.problem, found.site.file) == (Problem.LOST, __file__)


@pytest.mark.parametrize("joined", [True, False])
def test_an_attached_value_that_is_joined_or_only_read_is_no_finding(
    shop: Shop, *, joined: bool
) -> None:
    with shop.request() as opened:
        with attached(opened.baggage) as part:
            if joined:
                baggage.pack("n", 1)
            baggage.unpack("n")
        opened.join(part)
        opened.pack("n", 2)
        opened.join(part)
    assert shop.problems == []


def test_who_waits_for_what_another_request_waits_for_too_learns_of_it(shop: Shop) -> None:
    with shop.request("the first"):
        fork = shop.boundary.fork(FORK, None)
        assert fork is not None
        fork.start(lambda: None)
        fork.run(lambda: baggage.pack("n", 1))
        with attached(Branch()), shop.request("the second"):
            fork.join()
            baggage.pack("n", 2)
            assert set(baggage.unpack("n")) == {1, 2}
        fork.join()
    assert Problem.FOREIGN not in shop.problems


def test_a_value_used_twice_is_named_by_both_uses(shop: Shop) -> None:
    def first() -> None:
        baggage.pack("n", 1)

    def again() -> None:
        baggage.pack("n", 2)

    with shop.request() as opened:
        with attached(opened.baggage) as part:
            first()
        again()
        opened.join(part)
    found = shop.only
    assert found.problem is Problem.REUSED
    assert (function(found.site), function(found.other)) == ("again", "first")


def test_a_forked_branch_that_finds_its_lenders_value_used_is_named(shop: Shop) -> None:
    def first() -> None:
        baggage.pack("n", 1)

    def again() -> None:
        baggage.pack("n", 2)

    with shop.request() as opened:
        child = shop.fork()
        with attached(child.baggage) as part:
            first()
        with attached(child):
            again()
        opened.rejoin(child)
        opened.join(part)
    found = shop.only
    assert (found.problem, function(found.site)) == (Problem.REUSED, "again")
    assert function(found.other) == "first"


def test_a_value_that_was_written_from_unseen_is_named_by_the_second_use(shop: Shop) -> None:
    with shop.request():
        baggage.current().pack("n", 1)
        baggage.pack("n", 2)
    found = shop.only
    assert (found.problem, found.other) == (Problem.REUSED, CallSite("?", "?"))


def test_who_goes_on_after_its_join_is_no_finding(shop: Shop) -> None:
    with shop.request() as opened:
        child = shop.fork()
        child.pack("n", 1)
        opened.rejoin(child)
        child.pack("n", 2)
        opened.join(child)
    assert shop.problems == []


def test_another_requests_root_is_found_once_and_a_declared_batch_is_not(shop: Shop) -> None:
    with shop.request("the first"):
        baggage.pack("n", 1)
        other = baggage.current().departing()

    def take(*, batch: bool) -> None:
        both = other.join(EMPTY.join(baggage.current().departing()))
        for _ in range(2):
            baggage.join(both, batch=batch)

    with shop.request("the second"):
        take(batch=True)
        baggage.join(baggage.current().departing().pack("n", 2))
    assert shop.problems == []
    with shop.request("the third"):
        take(batch=False)
    assert shop.only.problem is Problem.FOREIGN
    assert shop.only.request == "the first"
    assert function(shop.only.other) == "request"
    assert function(shop.only.site) == "take"


def test_only_so_many_requests_are_remembered() -> None:
    requests = Requests()
    opened = [Opened(f"{n}", frozenset({n})) for n in range(5000)]
    for each in opened:
        requests.add(each)
    mine = Opened("mine", frozenset())
    assert requests.other([0], mine) is None
    assert requests.other([0, 4999], mine) is opened[-1]


@pytest.mark.parametrize("known", [EMPTY, EMPTY.pack("n", 1)])
def test_what_knows_nothing_of_the_request_is_a_regression(shop: Shop, known: Baggage) -> None:
    with shop.request():
        baggage.join(known)
    assert shop.only.problem is Problem.REGRESSED


def test_home_values_alone_are_none(shop: Shop) -> None:
    with shop.request() as opened:
        baggage.join(EMPTY.pack(HOME, 1))
        assert opened.unpack(HOME) == (1,)
    assert shop.problems == []


def test_what_was_cut_on_the_way_may_know_less(shop: Shop) -> None:
    with shop.request() as opened:
        baggage.pack("n", "n" * 3000)
        baggage.join(Baggage.deserialize(opened.baggage.serialize(100)))
    assert shop.problems == []


def test_who_undoes_what_it_knew_is_named_with_what_it_knew(shop: Shop) -> None:
    def know() -> None:
        baggage.pack("n", 1)

    def undo() -> None:
        ensure().update(lambda _: before)

    with shop.request():
        before = baggage.current().departing()
        know()
        undo()
    found = shop.audit.findings[0]
    assert (found.problem, function(found.site)) == (Problem.REGRESSED, "undo")
    assert function(found.other) == "know"


def test_a_late_write_and_a_late_split_are_named_with_the_end(shop: Shop) -> None:
    def opening() -> Branch:
        with shop.request() as opened:
            child = opened.split()
            opened.join(child)
        return child

    def write() -> None:
        child.pack("n", 1)

    def part() -> None:
        child.split()

    child = opening()
    write()
    part()
    with attached(child):
        split(shop.boundary)
    late = [(function(it.site), function(it.other)) for it in shop.audit.findings]
    assert shop.problems == [Problem.LATE] * 3
    assert [site for site, _ in late][:2] == ["write", "part"]
    assert {other for _, other in late} == {"request"}
    assert "which is over at " in str(shop.audit.findings[0])


def test_a_value_of_a_request_that_is_over_is_not_to_be_written_from(shop: Shop) -> None:
    with shop.request("the first"):
        value = baggage.current()
    with shop.request("the second"), attached(value):
        baggage.unpack("n")
        assert shop.problems == []
        baggage.pack("n", 1)
    found = shop.only
    assert (found.problem, found.request) == (Problem.LATE, "the first")


@pytest.mark.parametrize("stale", [False, True])
def test_nor_where_no_request_is_at_all(shop: Shop, *, stale: bool) -> None:
    def late() -> None:
        baggage.pack("n", 1)

    with shop.request("the first"):
        value = baggage.current()
        if stale:
            baggage.pack("n", 0)
    with attached(value):
        late()
    found = shop.audit.findings[0]
    assert (found.problem, found.request) == (Problem.LATE, "the first")
    assert (function(found.site), function(found.other)) == ("late", "request")


def test_a_copy_of_what_is_known_may_be_written_from_at_any_time(shop: Shop) -> None:
    with shop.request("the first"):
        baggage.pack("n", 1)
        value = baggage.current().departing()
    with attached(value):
        baggage.pack("n", 2)
    assert shop.problems == []


def test_what_outlives_its_request_by_declaration_is_no_finding(shop: Shop) -> None:
    with shop.request():
        baggage.pack("n", 0)
        kept = keep(shop.boundary, lambda: baggage.pack("n", 1))
        baggage.pack("n", 2)
        kept()
        carried = baggage.current()
    kept()
    with attached(Branch()), shop.request("apart", carried):
        baggage.pack("n", 3)
        kept.join()
    assert shop.problems == []


def test_a_request_that_failed_need_not_wait(shop: Shop) -> None:
    def fail() -> None:
        with shop.request() as opened:
            opened.split().pack("n", 1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert shop.problems == []


def test_a_generator_that_is_left_early_comes_home(shop: Shop) -> None:
    def rows() -> Iterator[int]:
        for number in range(3):
            baggage.pack("n", number)
            yield number

    with shop.request():
        for row in stepwise(shop.boundary, rows()):
            if row == 1:
                break
        assert set(baggage.unpack("n")) == {0, 1}
        baggage.pack("n", 2)
    assert shop.problems == []


def test_a_generator_that_others_throw_away_brings_them_nothing(shop: Shop) -> None:
    def rows() -> Iterator[int]:
        baggage.pack("n", 1)
        yield 1

    with shop.request():
        held = [stepwise(shop.boundary, rows())]
        next(held[0])

        def throw_away() -> None:
            with attached(EMPTY):
                held.clear()
                assert baggage.unpack("n") == ()

        thread = threading.Thread(target=throw_away)
        thread.start()
        thread.join()


def test_children_that_read_and_never_end_are_no_finding(shop: Shop) -> None:
    with shop.request():
        reading = [shop.fork() for _ in range(3)]
        baggage.pack("n", 1)
        assert all(child.untouched for child in reading)
    assert shop.problems == []


@given(st.lists(st.sampled_from(["write", "read", "join", "lose"]), max_size=12))
def test_each_part_that_is_lost_is_found_and_no_other(fates: list[str]) -> None:
    shop = Shop()
    with shop.request() as opened:
        for fate in fates:
            child = shop.fork()
            if fate != "read":
                child.pack("n", 1)
            if fate in ("write", "join"):
                opened.rejoin(child)
    assert set(shop.problems) == ({Problem.LOST} if "lose" in fates else set())
    assert list(shop.audit.counts.values()) == [fates.count("lose")] * ("lose" in fates)


def test_threads_that_pack_at_once_lose_nothing(shop: Shop) -> None:
    with shop.request() as opened:
        together = threading.Barrier(8)

        def work(child: Branch) -> None:
            together.wait(300)
            with attached(child):
                for number in range(50):
                    part = shop.fork()
                    part.pack("n", number)
                    baggage.pack("n", number)
                    child.rejoin(part)

        children = [shop.fork() for _ in range(8)]
        threads = [threading.Thread(target=work, args=(child,)) for child in children]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
        for child in children:
            opened.rejoin(child)
        assert list(opened.baggage.history.own.values()) == [1]
    assert shop.problems == []


def test_accounts_that_are_closed_remember_nothing() -> None:
    accounts = Accounts({1: 1})
    assert accounts.close({1: 1}) == ([], False)
    accounts.gave(Branch(), {1: 1})
    accounts.lent(Branch(), {1: 1}, CallSite("m", "f"))
    assert accounts.giver({1: 1}) == CallSite("?", "?")
    assert accounts.close({}) == ([], False)


def test_no_more_parts_are_remembered_than_a_process_can_bear() -> None:
    accounts = Accounts({1: 1})
    children = [Branch() for _ in range(5000)]
    for child in children:
        accounts.gave(child, {1: 1})
        accounts.lent(child, {2: 1}, CallSite("m", "f"))
    lost, more = accounts.close({})
    assert (len(lost), more) == (0, False)


def test_what_goes_wrong_in_an_audit_is_kept_from_the_application(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(finding: Finding) -> None:
        raise KeyError(finding)

    with shop.request() as opened:
        watch = opened.watch
        assert isinstance(watch, Conservation)
        watch.report = fail
        baggage.join(EMPTY)
        baggage.pack("n", 1)
        assert opened.unpack("n") == (1,)
    assert caplog.messages == ["audit failed"]


def test_a_branch_elsewhere_is_not_watched() -> None:
    assert branch() is None or ensure().watch is None


def test_a_process_that_was_cloned_brings_back_values_and_no_ids() -> None:
    script = """
import os
import baggage

baggage.instrument(service="shop")
audit = baggage.audit()
with baggage.request_scope("an order"):
    baggage.pack("n", 0)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        baggage.pack("n", 1)
        os.write(writing, baggage.serialize())
        os._exit(0)
    baggage.pack("n", 2)
    os.waitpid(child, 0)
    baggage.join(baggage.deserialize(os.read(reading, 4096)))
    assert sorted(baggage.unpack("n")) == [0, 1, 2]
assert audit.findings == (), audit.findings
"""
    environment = {**os.environ, "BAGGAGE_METAAPPS": ""}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, check=False, timeout=300)
    assert ran.returncode == 0


@pytest.mark.parametrize("whole", [True, False])
def test_an_answer_that_knows_another_request_too_is_for_the_callees_audit_to_judge(
    shop: Shop, *, whole: bool
) -> None:
    parcel = ParcelAdapter()
    with shop.request("the first"):
        baggage.pack("n", 1)
        shared = Branch(baggage.current().departing())

    def handle(request: Parcel) -> Parcel:
        def answer() -> Parcel:
            if whole:
                baggage.join(shared, batch=True)
            else:
                ensure().update(lambda _: shared.baggage)
            return Parcel()

        callee = Boundary(Policy("callee", receipts=True))
        return callee.serve(ParcelAdapter(Kind.SERVER), request, answer)

    with shop.request("the second"):
        baggage.pack("n", 2)
        request = Parcel()
        shop.boundary.call(parcel, request, lambda: handle(request))
        assert set(baggage.unpack("n")) == {1, 2}
    assert (Problem.FOREIGN in shop.problems, shop.problems == []) == (not whole, whole)


@pytest.mark.parametrize("writes", [False, True])
def test_what_was_split_off_by_hand_is_missed_whether_it_wrote_or_not(
    shop: Shop, *, writes: bool
) -> None:
    with shop.request():
        baggage.pack("n", 1)
        _, theirs = split(shop.boundary)
        assert theirs.baggage.history.own
        if writes:
            theirs.pack("n", 2)
    assert shop.only.problem is Problem.LOST
