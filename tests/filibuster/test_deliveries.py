"""What the explorer makes of messages: deliveries in their places, and what is worth a wait."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import (
    Call,
    CallSite,
    Fault,
    FaultKind,
    Kind,
    Raised,
    Requeued,
    Returned,
    Unsettled,
)
from metaapps.filibuster.brokered import delivered, delivery_ended
from metaapps.filibuster.deliveries import Expected, Patience, is_delivery, placed
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.index import ROOT, branch_frame, child
from metaapps.filibuster.observation import Observation, Role, open_branches
from metaapps.filibuster.tree import build

SITE = CallSite("app", "order")


def message(number: int = 0, *, to: str = "orders", injected: Fault | None = None) -> Observation:
    frame = branch_frame("shop", SITE, to, number + 1)
    return Observation(
        role=Role.BRANCH,
        index=child(ROOT, frame),
        parent=ROOT,
        position=number,
        source="shop",
        library="pika",
        method="publish",
        operation=to,
        site=SITE,
        occurrence=number + 1,
        injected=injected,
    )


def taken(of: Observation, number: int = 1, by: str = "worker") -> Observation:
    call = Call(kind=Kind.CONSUMER, library="pika", operation=of.operation, source=by)
    return delivered(call, of.index, number)


ORDER = message()


@given(st.permutations([(1, "mailer"), (1, "worker"), (2, "mailer"), (2, "worker")]))
def test_deliveries_stand_in_one_order_whoever_was_first(came: list[tuple[int, str]]) -> None:
    tree = build(placed([ORDER, *(taken(ORDER, *each) for each in came)]))
    assert tree.findings == ()
    stand = [(one.occurrence, one.source) for one in tree.within(ORDER.index)]
    assert stand == [(1, "mailer"), (1, "worker"), (2, "mailer"), (2, "worker")]
    assert all(one.index == child(one.parent, one.frame) for one in tree.within(ORDER.index))


def test_deliveries_of_one_name_are_an_ambiguous_group() -> None:
    tree = build(placed([ORDER, taken(ORDER), taken(ORDER)]))
    assert [finding.kind for finding in tree.findings] == [FindingKind.AMBIGUOUS]
    assert "worker: orders" in tree.findings[0].text
    assert {one.index for one in tree.within(ORDER.index)} <= tree.ambiguous


def test_what_is_told_twice_of_one_delivery_counts_once() -> None:
    once = taken(ORDER)
    (one,) = [each for each in placed([ORDER, once, once]) if is_delivery(each)]
    assert not one.ambiguous
    assert one.digest is None


def test_groups_of_one_service_are_told_apart() -> None:
    calls = [
        Call(
            kind=Kind.CONSUMER,
            library="redis",
            operation="orders",
            source="worker",
            arguments={"group": group},
        )
        for group in ("mail", "bills")
    ]
    tree = build(placed([ORDER, *(delivered(call, ORDER.index, 1) for call in calls)]))
    assert tree.findings == ()
    names = [one.operation for one in tree.within(ORDER.index)]
    assert names == ["worker: orders (bills)", "worker: orders (mail)"]


def test_a_message_ends_with_its_delivery() -> None:
    first = taken(ORDER)
    assert open_branches([ORDER]) == (ORDER,)
    assert open_branches([ORDER, first]) == (ORDER, first)
    assert open_branches([ORDER, first, delivery_ended(first)]) == ()


def test_a_message_that_went_back_ends_with_its_next_delivery() -> None:
    first, second = taken(ORDER), taken(ORDER, 2)
    back = [ORDER, first, delivery_ended(first, Raised(Requeued()))]
    assert open_branches(back) == (ORDER,)
    assert open_branches([*back, second, delivery_ended(second)]) == ()


def test_a_message_that_comes_twice_ends_with_its_second_delivery() -> None:
    twice = replace(ORDER, injected=Fault(FaultKind.DUPLICATE))
    first, second = taken(ORDER), taken(ORDER, 2)
    once = [twice, first, delivery_ended(first)]
    assert open_branches(once) == (twice,)
    assert open_branches([*once, second, delivery_ended(second)]) == ()


def test_a_message_is_waited_for_in_the_queue_that_it_went_back_to() -> None:
    queues = (replace(ORDER, operation=name) for name in ("bills", "mail"))
    first, other = (taken(queue) for queue in queues)
    back = [ORDER, first, delivery_ended(first, Raised(Requeued())), other, delivery_ended(other)]
    assert open_branches(back) == (ORDER,)
    again = taken(replace(ORDER, operation="bills"), 2)
    assert open_branches([*back, again, delivery_ended(again)]) == ()


def learnt(*executions: list[Observation]) -> Expected:
    patience = Patience()
    for heard in executions:
        patience.learn(heard)
    return patience.expected


def worked_on(of: Observation, *by: str) -> list[Observation]:
    deliveries = [taken(of, 1, each) for each in by]
    return [of, *deliveries, *map(delivery_ended, deliveries)]


def test_messages_that_nobody_took_keep_no_other_of_their_kind_waiting() -> None:
    expected = learnt([message(0)])
    assert expected.is_settled([message(1)])
    assert not expected.is_settled([message(1, to="letters")])


def test_messages_that_somebody_took_once_are_waited_for() -> None:
    expected = learnt([*worked_on(message(0), "worker"), message(1)])
    assert not expected.is_settled([message(2)])


def test_all_who_take_such_messages_are_waited_for() -> None:
    expected = learnt(worked_on(message(0), "worker", "mailer"))
    assert not expected.is_settled(worked_on(message(1), "worker"))
    assert expected.is_settled(worked_on(message(1), "worker", "mailer"))


def test_who_did_not_come_three_times_is_not_waited_for_again() -> None:
    both, one = (worked_on(message(0), *names) for names in (("worker", "mailer"), ("worker",)))
    assert not learnt(both, one, one).is_settled(one)
    assert learnt(both, one, one).unfinished(one) == (message(0),)
    assert learnt(both, one, one, one).is_settled(one)
    assert not learnt(both, one, one, both, one).is_settled(one)


def test_who_takes_messages_of_a_new_kind_is_not_known() -> None:
    first = worked_on(message(0), "worker")
    assert Expected().is_unsure(first)
    assert not learnt(first).is_unsure(worked_on(message(1), "worker"))
    assert not Expected().is_unsure([message(0)])


def test_messages_that_ended_too_late_are_waited_for_again() -> None:
    patience = Patience()
    for _ in range(3):
        patience.learn([ORDER])
        assert patience.expected.is_settled([ORDER])
        patience.heard_late([ORDER.index])
        assert not patience.expected.is_settled([ORDER])


def test_threads_that_ended_too_late_are_waited_for_once_more() -> None:
    patience, settled = Patience(), []
    thread = replace(ORDER, method="")
    for _ in range(2):
        patience.learn([thread])
        patience.heard_late([thread.index])
        settled.append(patience.expected.is_settled([thread]))
    assert settled == [False, True]


def test_messages_of_a_kind_that_was_taken_are_given_three_tries() -> None:
    patience = Patience()
    patience.learn(worked_on(message(0), "worker"))
    settled = []
    for _ in range(3):
        patience.learn([ORDER])
        settled.append(patience.expected.is_settled([ORDER]))
    assert settled == [False, False, True]


def left(of: Observation, number: int = 1) -> list[Observation]:
    """Return what is told of a delivery that its broker heard nothing of."""
    delivery = taken(of, number)
    return [delivery, delivery_ended(delivery, Returned(Unsettled()))]


def test_what_is_always_settled_at_once_comes_again_if_it_is_not() -> None:
    expected = learnt(worked_on(message(0), "worker"))
    again = [message(1), *left(message(1))]
    assert not expected.is_settled(again)
    once_more = taken(message(1), 2)
    assert expected.is_settled([*again, once_more, delivery_ended(once_more)])


def test_what_is_settled_later_is_not_waited_for() -> None:
    expected = learnt([message(0), *left(message(0))])
    assert expected.is_settled([message(1), *left(message(1))])
    assert expected.unfinished([message(1), *left(message(1))]) == ()
