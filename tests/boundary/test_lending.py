"""The right to write goes along with a call, and comes home exactly once, or is lost."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from types import MethodType
from typing import Any

import pytest

from baggage.boundary import Boundary, Fault, FaultKind, Inject, Policy, Proceed, read_header
from baggage.boundary.audit import Audit
from baggage.boundary.call import Kind
from baggage.boundary.transport import read
from baggage.clock import id_mass
from baggage.context import Branch, attached, branch, pack, unpack
from baggage.testing import Parcel, Scripted
from baggage.testing.parcel import ParcelAdapter, ParcelRefused, ParcelReturned
from baggage.values import EMPTY
from tests.boundary.parts import DOWN, HOME

LENDING = Policy(service="caller", strict=True, lend=("callee",))
Work = Callable[[], object]


def boundary(policy: Policy = LENDING, *apps: Any) -> Boundary:
    return Boundary(policy, apps)


def served(
    work: Work,
    policy: Policy = LENDING,
    raising: bool = False,
) -> Callable[[Parcel], Parcel]:
    """Return a callee that does this work, and may answer by an exception."""
    callee = boundary(policy)

    def handle(request: Parcel) -> Parcel:
        def answer() -> Parcel:
            work()
            return Parcel()

        answered = callee.serve(ParcelAdapter(Kind.SERVER), request, answer, "callee")
        if raising:
            raise ParcelReturned(answered)
        return answered

    return handle


def call(
    handle: Callable[[Parcel], Parcel],
    policy: Policy = LENDING,
    *apps: Any,
    adapter: ParcelAdapter | None = None,
    headers: dict[str, str] | None = None,
) -> Parcel:
    request = Parcel(dict(headers or {}))
    made = boundary(policy, *apps)
    answer: Parcel = made.call(adapter or ParcelAdapter(), request, lambda: handle(request))
    return answer


def masses(running: Branch) -> list[Any]:
    """Return how much a branch owns of each root that it has seen."""
    history = running.baggage.history
    return [id_mass(history.own.get(root, 0)) for root in history.seen]


@pytest.fixture
def here() -> Iterator[Branch]:
    with attached(EMPTY.pack("n", 0)) as running:
        yield running


def test_a_callee_writes_under_the_root_of_its_caller(here: Branch) -> None:
    call(served(lambda: pack("n", 1)))
    pack("n", 2)
    assert unpack("n") == (0, 1, 2)
    assert masses(here) == [1]


def test_what_is_lent_is_not_owned_meanwhile(here: Branch) -> None:
    owned: list[object] = []

    def work() -> None:
        running = branch()
        assert running is not None
        owned.extend([here.baggage.history.own, masses(running)])

    call(served(work))
    assert owned == [{}, [1]]


def test_who_writes_while_its_ids_are_away_mints_a_root_and_stays_exact(here: Branch) -> None:
    def work() -> None:
        pack("n", 1)
        here.pack("n", 2)

    call(served(work))
    pack("n", 3)
    assert sorted(map(int, unpack("n"))) == [0, 1, 2, 3]
    assert masses(here) == [1, 1]


def test_ids_come_home_where_nothing_was_written(here: Branch) -> None:
    before = here.baggage.history.own
    call(served(lambda: None))
    assert here.baggage.history.own == before
    assert here.baggage.history.known is not None


def test_a_root_that_a_callee_minted_serves_the_whole_request() -> None:
    with attached(EMPTY) as running:
        for n in range(4):
            call(served(lambda n=n: pack("n", n)))  # type: ignore[misc]
        pack("n", 4)
        assert unpack("n") == (0, 1, 2, 3, 4)
        assert masses(running) == [1]


@pytest.mark.parametrize(
    "policy",
    [
        Policy(service="caller", strict=True),
        Policy(service="caller", strict=True, lend=("elsewhere",)),
        Policy(service="caller", strict=True, lend=("*",), hosts=("elsewhere",)),
    ],
)
def test_nothing_is_lent_to_a_host_that_may_not_borrow(here: Branch, policy: Policy) -> None:
    before = here.baggage.history
    call(served(lambda: pack("n", 1)), policy)
    assert here.baggage.history.own == before.own


def test_a_callee_that_does_not_lend_ignores_ids_and_forwards_none(here: Branch) -> None:
    seen: list[object] = []

    def work() -> None:
        running = branch()
        assert running is not None
        seen.append(running.baggage.history.own)
        call(noting(seen), Policy(lend=("*",)))
        pack("n", 1)

    call(served(work, Policy(service="callee", strict=True)))
    assert seen == [{}, {}]
    assert set(unpack("n")) == {0, 1}
    assert masses(here) == [0, 0]
    pack("n", 2)
    assert set(unpack("n")) == {0, 1, 2}


def _lent(message: Parcel) -> object:
    return read(message, lent=True).history.own


def noting(lent: list[object]) -> Callable[[Parcel], Parcel]:
    """Return a callee that notes what it could have been lent, and answers nothing."""

    def handle(request: Parcel) -> Parcel:
        lent.append(_lent(request))
        return Parcel()

    return handle


def test_an_adapter_that_says_nothing_lends_nothing(here: Branch) -> None:
    class Silent:
        def __init__(self) -> None:
            self._adapter = ParcelAdapter()

        def __getattr__(self, name: str) -> object:
            if name == "lends":
                raise AttributeError(name)
            return getattr(self._adapter, name)

    sent: list[object] = []
    adapter: Any = Silent()
    call(noting(sent), adapter=adapter)
    assert sent == [{}]
    assert masses(here) == [1]


@pytest.mark.parametrize("inject", [FaultKind.REFUSED, FaultKind.STATUS])
def test_a_call_that_flows_veto_lends_nothing(here: Branch, inject: FaultKind) -> None:
    scripted = Scripted(Inject(Fault(inject, status=500)))
    try:
        call(lambda _: Parcel(), LENDING, scripted)
    except ParcelRefused:
        pass
    assert masses(here) == [1]
    assert here.baggage.history.own


def test_a_fault_that_befalls_an_answer_leaves_the_ids_at_home(here: Branch) -> None:
    call(
        served(lambda: pack("n", 1)),
        LENDING,
        Scripted(then=Fault(FaultKind.STATUS, status=500)),
    )
    assert (unpack("n"), masses(here)) == ((0, 1), [1])


def test_what_flows_change_goes_along_with_what_is_lent(here: Branch) -> None:
    sent: list[object] = []

    def handle(request: Parcel) -> Parcel:
        sent.append((read(request).unpack(DOWN), read(request).unpack(HOME)))
        return served(lambda: None)(request)

    pack(HOME, "caller's")
    call(handle, LENDING, Scripted(Proceed(down={DOWN: 1})))
    assert sent == [((1,), ())]
    assert unpack(HOME) == ("caller's",)
    assert masses(here) == [1]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "refused"),
        socket.gaierror(-2, "unknown"),
    ],
)
@pytest.mark.parametrize("stated", [True, False])
def test_ids_of_a_call_that_found_nobody_come_home(
    here: Branch, error: OSError, stated: bool
) -> None:
    def handle(_: Parcel) -> Parcel:
        try:
            raise error
        except OSError as cause:
            if stated:
                raise ParcelRefused("refused") from cause
            raise ParcelRefused("refused")  # noqa: B904 - as some libraries do

    with pytest.raises(ParcelRefused):
        call(handle)
    pack("n", 1)
    assert (unpack("n"), masses(here)) == ((0, 1), [1])


@pytest.mark.parametrize("error", [TimeoutError("timed out"), ConnectionResetError(104, "reset")])
def test_ids_are_lost_where_nobody_knows_whether_they_arrived(
    here: Branch, error: Exception
) -> None:
    def handle(_: Parcel) -> Parcel:
        raise error

    with pytest.raises(type(error)):
        call(handle)
    assert masses(here) == [0]
    pack("n", 1)
    assert (set(unpack("n")), masses(here)) == ({0, 1}, [0, 1])


def test_what_the_application_handles_says_nothing_of_what_it_calls_meanwhile(
    here: Branch,
) -> None:
    def handle(_: Parcel) -> Parcel:
        raise TimeoutError("timed out")

    try:
        raise ConnectionRefusedError(111, "another call's")
    except ConnectionRefusedError:
        with pytest.raises(TimeoutError):
            call(handle)
    assert masses(here) == [0]


@pytest.mark.parametrize(("told", "mass"), [(True, 1), (False, 0), (None, 1)])
def test_an_adapter_may_know_better_what_never_left(
    here: Branch, told: bool | None, mass: int
) -> None:
    class Knowing(ParcelAdapter):
        def unsent(self, _: BaseException) -> bool | None:
            return told

    def handle(_: Parcel) -> Parcel:
        raise ConnectionRefusedError(111, "refused")

    with pytest.raises(ConnectionRefusedError):
        call(handle, adapter=Knowing())
    assert masses(here) == [mass]


def test_an_adapter_that_fails_to_say_is_isolated(here: Branch) -> None:
    class Failing(ParcelAdapter):
        def lends(self, _: object) -> bool:
            raise ValueError("x")

    lenient = Policy(service="caller", lend=("*",))
    call(served(lambda: pack("n", 1)), lenient, adapter=Failing())
    assert set(unpack("n")) == {0, 1}
    with pytest.raises(ValueError, match="x"):
        call(served(lambda: None), adapter=Failing())


def test_ids_come_home_with_an_answer_that_is_an_exception(here: Branch) -> None:
    with pytest.raises(ParcelReturned):
        call(served(lambda: pack("n", 1), raising=True))
    assert (unpack("n"), masses(here)) == ((0, 1), [1])


def test_ids_come_home_from_a_callee_that_fails(here: Branch) -> None:
    callee = boundary()

    def handle(request: Parcel) -> Parcel:
        answer = Parcel(status=500)
        arrival = callee.arrive(ParcelAdapter(Kind.SERVER), request, "callee")
        assert arrival is not None
        with arrival.scope():
            arrival.begin()
            pack("n", 1)
            arrival.end(arrival.raised(LookupError("the callee's own")))
            arrival.respond(answer)
        arrival.close()
        return answer

    call(handle)
    assert (unpack("n"), masses(here)) == ((0, 1), [1])


def test_an_answer_that_comes_twice_brings_ids_once(here: Branch) -> None:
    departure = boundary().depart(ParcelAdapter(), request := Parcel())
    assert departure is not None
    departure.begin()
    departure.leave()
    answer = served(lambda: pack("n", 1))(request)
    departure.answered(answer)
    call(lambda _: Parcel())  # lost
    departure.answered(answer)
    assert masses(here) == [0]
    departure.close()


def test_an_old_answer_brings_no_ids(here: Branch) -> None:
    old: list[Parcel] = []

    def handle(request: Parcel) -> Parcel:
        old.append(served(lambda: pack("n", 1))(request))
        return old[0]

    call(handle)
    pack("n", 2)
    call(handle)
    assert masses(here) == [0]
    pack("n", 3)
    assert sorted(map(int, unpack("n"))) == [0, 1, 2, 3]


def test_a_request_that_is_served_twice_loses_no_value_that_came_home(here: Branch) -> None:
    """The limit: the second callee's value has the first one's dot."""

    def handle(request: Parcel) -> Parcel:
        served(lambda: pack("n", "unheard"))(request)
        return served(lambda: pack("n", "heard"))(request)

    call(handle)
    assert unpack("n") == (0, "heard")


def test_without_opting_in_a_request_that_is_served_twice_is_exact(here: Branch) -> None:
    answers: list[Parcel] = []
    plain = Policy(service="caller", strict=True)

    def handle(request: Parcel) -> Parcel:
        answers.extend(served(lambda n=n: pack("n", n), plain)(request) for n in (1, 2))  # type: ignore[misc]
        return answers[0]

    call(handle, plain)
    here.join(read_header(answers[1].headers["baggage"]))
    pack("n", 3)
    assert sorted(map(int, unpack("n"))) == [0, 1, 2, 3]


def test_ids_that_find_no_room_stay_here(here: Branch) -> None:
    size = len(here.baggage.serialize())
    budget = len("causal=") + -(-(size + len("....caller")) * 4 // 3)
    tight = Policy(service="caller", strict=True, lend=("*",), budget=budget)
    sent: list[object] = []

    def handle(request: Parcel) -> Parcel:
        sent.extend([read(request).unpack("n"), _lent(request)])
        return Parcel()

    call(handle, tight)
    assert sent == [(0,), {}]
    assert masses(here) == [1]


def test_foreign_members_go_along_with_what_is_lent(here: Branch) -> None:
    sent: list[object] = []

    def handle(request: Parcel) -> Parcel:
        sent.extend([read(request).foreign, masses(Branch(read(request, lent=True)))])
        return Parcel()

    call(handle, headers={"baggage": "own=1;p=2,other=3"})
    assert sent == [("own=1;p=2", "other=3"), [1]]


def test_branches_that_were_not_joined_keep_their_part(here: Branch) -> None:
    kept: list[Branch] = []

    def work() -> None:
        running = branch()
        assert running is not None
        kept.append(running.split())
        pack("n", 1)

    call(served(work))
    mine, theirs = (running.baggage.history.own for running in (here, kept[0]))
    (root,) = here.baggage.history.seen
    assert id_mass(mine[root]) + id_mass(theirs[root]) == 1
    assert id_mass(mine[root]) < 1


def test_branches_lend_their_own_parts(here: Branch) -> None:
    theirs = here.split()
    with attached(theirs):
        call(served(lambda: pack("n", 1)))
    call(served(lambda: pack("n", 2)))
    here.join(theirs)
    pack("n", 3)
    assert sorted(map(int, unpack("n"))) == [0, 1, 2, 3]
    assert masses(here) == [1]


def test_what_is_packed_after_the_answer_has_a_root_of_its_own(here: Branch) -> None:
    callee, late = boundary(), []

    def handle(request: Parcel) -> Parcel:
        answer = Parcel()
        arrival = callee.arrive(ParcelAdapter(Kind.SERVER), request, "callee")
        assert arrival is not None
        with arrival.scope():
            arrival.begin()
            arrival.respond(answer)
            assert arrival.branch.baggage.history.own == {}
            pack("n", "late")
            late.append(arrival.branch.baggage)
            arrival.end(arrival.answered(answer))
        arrival.close()
        return answer

    call(handle)
    pack("n", 1)
    here.join(late[0])
    assert set(unpack("n")) == {0, "late", 1}
    assert masses(here) == [1, 0] or masses(here) == [1, 1]


def test_a_call_that_is_given_up_before_it_was_sent_brings_its_ids_home(here: Branch) -> None:
    departure = boundary().depart(ParcelAdapter(), request := Parcel())
    assert departure is not None
    departure.begin()
    assert masses(here) == [0]
    departure.close()
    assert _lent(request) != {}
    assert masses(here) == [1]


def test_a_request_that_cannot_be_written_on_brings_the_ids_home(here: Branch) -> None:
    class Stuck(Parcel):
        pass

    request = Stuck()

    def fail(*_: object) -> None:
        raise LookupError("no header can be set")

    request.set = MethodType(fail, request)  # type: ignore[method-assign]
    departure = boundary().depart(ParcelAdapter(), request)
    assert departure is not None
    with pytest.raises(LookupError):
        departure.begin()
    assert masses(here) == [1]
    departure.close()


def test_home_values_and_ids_come_home_together(here: Branch) -> None:
    call(served(lambda: pack(HOME, "callee's")))
    assert (unpack(HOME), masses(here)) == (("callee's",), [1])


def test_ids_are_the_first_to_be_left_out_of_an_answer() -> None:
    def work() -> None:
        pack("n", "v" * 100)
        pack(HOME, "callee's")

    came = set()
    for budget in range(180, 280, 2):
        tight = Policy(service="callee", strict=True, lend=("*",), budget=budget)
        with attached(EMPTY.pack("n", 0)) as running:
            call(served(work, tight))
            whole = (set(unpack("n")), unpack(HOME)) == ({0, "v" * 100}, ("callee's",))
            came.add((whole, *masses(running)))
    assert came == {(True, 1), (True, 0), (False, 0)}


def test_causes_are_looked_at_no_further_than_anyone_would(here: Branch) -> None:
    def handle(_: Parcel) -> Parcel:
        error: BaseException = ConnectionRefusedError(111, "refused")
        for number in range(40):
            error, cause = LookupError(number), error
            error.__cause__ = cause
        raise error

    with pytest.raises(LookupError):
        call(handle)
    assert masses(here) == [0]


def test_where_nothing_is_carried_nothing_is_lent_and_what_comes_is_taken() -> None:
    assert branch() is None
    scripted = Scripted(Proceed(down={DOWN: 1}))
    call(served(lambda: pack("n", 1)), LENDING, scripted)
    running = branch()
    assert running is not None
    assert (unpack("n"), masses(running)) == ((1,), [1])


@pytest.mark.parametrize("packs", [False, True])
def test_a_branch_that_nobody_waits_for_keeps_no_part_unless_it_wrote(
    here: Branch, *, packs: bool
) -> None:
    left: list[Branch] = []

    def work() -> None:
        running = branch()
        assert running is not None
        left.append(running.fork())
        pack("n", 1)
        left.append(running.fork())
        left[-1].fork()
        if packs:
            left[0].pack("n", 2)

    call(served(work))
    assert (unpack("n"), masses(here)) == ((0, 1), [Fraction(1, 2) if packs else 1])
    for late, child in enumerate(left):
        child.pack("n", 10 + late)
        here.join(child)
    assert set(unpack("n")) == {0, 1, 10, 11} | ({2} if packs else set())
    assert sum(masses(here)) == len(masses(here))


@pytest.mark.parametrize("ends", [False, True])
def test_nor_does_one_that_merely_called(here: Branch, *, ends: bool) -> None:
    left: list[Branch] = []

    def work() -> None:
        running = branch()
        assert running is not None
        left.append(running.fork())
        pack("n", 1)
        with attached(left[0]):
            call(served(lambda: None))
        assert masses(left[0]) != [0]
        if ends:
            running.ended(left[0])
        pack("n", 2)

    call(served(work))
    assert (unpack("n"), masses(here), masses(left[0])) == ((0, 1, 2), [1], [0])
    left[0].pack("n", 3)
    here.join(left[0])
    assert (set(unpack("n")), masses(here)) == ({0, 1, 2, 3}, [1, 1])


def test_a_root_that_was_made_for_an_audit_is_told_to_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    auditing = boundary(replace(LENDING, receipts=True), Audit())

    def handle(request: Parcel) -> Parcel:
        return auditing.serve(ParcelAdapter(Kind.SERVER), request, Parcel, "callee")

    def answered() -> Parcel:
        request = Parcel()
        return auditing.call(ParcelAdapter(), request, lambda: handle(request))

    with attached(Branch()) as running:
        answer: Parcel = answered()
        assert (_lent(answer), running.baggage.history.own) == ({}, {})
    assert caplog.records == []
