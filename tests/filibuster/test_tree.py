"""An execution's tree, from observations in any state of disorder."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import CallSite
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import EVENTS, Observation, Role
from metaapps.filibuster.tree import build, canonical_key, describe, describe_within

SITE = CallSite("app", "fetch")


def call(name: str, parent: str = "", position: int = 0) -> Observation:
    return Observation(
        role=Role.CALL,
        index=name.encode().ljust(16, b"."),
        parent=parent.encode().ljust(16, b".") if parent else ROOT,
        position=position,
        operation=f"GET /{name}",
    )


def kinds(observations: list[Observation]) -> list[FindingKind]:
    return [finding.kind for finding in build(observations).findings]


SOUND = [
    call("a"),
    call("b", "a", 0),
    call("c", "a", 1),
    call("d", "c", 0),
    call("e", position=1),
]


def names(observations: tuple[Observation, ...]) -> str:
    return "".join(o.index.decode().strip(".") for o in observations)


@given(st.randoms(use_true_random=False), st.integers(0, 5))
def test_the_tree_does_not_depend_on_the_order_or_repetition_of_reports(
    random: Random, repeated: int
) -> None:
    reports = SOUND + SOUND[:repeated]
    random.shuffle(reports)
    assert build(reports) == build(SOUND)
    assert names(build(reports).preorder) == "abcde"
    assert build(reports).findings == ()


def test_callees_sort_before_their_callers_and_then_by_position() -> None:
    tree = build(SOUND)
    ordered = sorted(tree.preorder, key=lambda o: canonical_key(tree.paths[o.index]))
    assert names(tuple(ordered)) == "bdcae"


def test_an_orphan_is_found_once_with_all_that_lies_below_it() -> None:
    observations = [call("a"), call("c", "lost"), call("d", "c"), call("e", "d")]
    tree = build(observations)
    assert [(f.kind, f.index) for f in tree.findings] == [
        (FindingKind.ORPHANED, observations[1].index)
    ]
    assert not tree.whole
    assert names(tree.preorder) == "a"


def test_events_that_enclose_one_another_are_orphans() -> None:
    observations = [call("a"), call("b", "c"), call("c", "b"), call("d", "d")]
    assert kinds(observations) == [FindingKind.ORPHANED, FindingKind.ORPHANED]


def test_different_observations_with_one_index_are_an_ambiguous_group_and_not_used() -> None:
    twice = [replace(call("b", "a", 1), target=name) for name in ("x", "y")]
    observations = [call("a"), call("f", "a", 0), *twice, call("c", "a", 2), call("d", "b")]
    tree = build(observations)
    assert [f.kind for f in tree.findings] == [FindingKind.DUPLICATED]
    assert names(tree.preorder) == "afc"
    assert tree.flaws == {observations[0].index: 1}
    assert tree.whole


def test_an_observation_that_claims_to_be_the_test_is_not_used() -> None:
    impostor = replace(call("a"), index=ROOT)
    assert kinds([impostor, call("b")]) == [FindingKind.DUPLICATED]


def test_a_gap_and_a_position_held_twice_are_found() -> None:
    gap = build([call("a"), call("b", position=2)])
    assert [f.kind for f in gap.findings] == [FindingKind.INCOMPLETE]
    assert gap.flaws == {ROOT: 1}
    assert names(gap.preorder) == "ab"
    twice = build([call("a"), call("b"), call("c", position=1)])
    assert [f.kind for f in twice.findings] == [FindingKind.INCOMPLETE]
    assert twice.flaws == {ROOT: 0}
    assert names(twice.preorder) == "abc"


def test_an_absurd_position_takes_no_time() -> None:
    assert build([call("a"), call("b", position=2**60)]).flaws == {ROOT: 1}


def test_calls_may_be_nested_deeper_than_python_recurses() -> None:
    chain = [call("0")] + [call(str(n), str(n - 1)) for n in range(1, 3000)]
    assert len(build(chain).preorder) == 3000


def test_nothing_observed_is_an_empty_tree() -> None:
    tree = build([])
    assert (tree.preorder, tree.findings) == ((), ())


def test_a_call_is_described_by_who_asks_whom_for_what() -> None:
    assert describe(replace(call("x"), source="foo", target="bar")) == "foo → bar GET /x"
    assert describe(call("x")) == "test → GET /x"
    assert describe(replace(call("x"), source="a", occurrence=2)) == "a → GET /x #2"
    put = replace(call("x"), role=Role.BRANCH, source="shop", target="mail", operation="orders")
    assert describe(replace(put, library="redis", method="xadd")) == "shop → redis orders"


def test_calls_that_are_described_alike_are_told_apart_by_their_order_and_their_places() -> None:
    def pay(name: str, parent: str, place: CallSite = SITE) -> Observation:
        return replace(
            call(name, parent), source="shop", target="bank", operation="PAY", site=place
        )

    seen = [call("b", position=1), pay("d", "b"), call("a"), pay("c", "a")]
    first, last = seen[3], seen[1]
    assert describe_within(first, seen) == "shop → bank PAY (1st of 2)"
    assert describe_within(last, seen) == "shop → bank PAY (2nd of 2)"
    elsewhere = pay("e", "c", CallSite("app", "refund", 7))
    assert describe_within(elsewhere, [*seen, elsewhere]) == (
        "shop → bank PAY (2nd of 3, at app.refund:7)"
    )
    assert describe_within(first, [*seen[2:], first]) == "shop → bank PAY"
    many = [replace(pay(str(n), ""), position=n) for n in range(23)]
    told = {n: describe_within(many[n - 1], many) for n in (3, 11, 12, 21, 22)}
    assert {n: each.partition("(")[2].partition(" ")[0] for n, each in told.items()} == {
        3: "3rd",
        11: "11th",
        12: "12th",
        21: "21st",
        22: "22nd",
    }


def fetched(number: int, *, ambiguous: bool = False) -> Observation:
    alike = replace(call(str(number), "a", number), operation="GET /x", source="foo", target="bar")
    return replace(alike, site=SITE, occurrence=number + 1, ambiguous=ambiguous)


def test_what_one_of_a_kind_is_marked_for_holds_for_all_of_it_and_what_lies_below() -> None:
    group = [fetched(0), fetched(1, ambiguous=True), fetched(2)]
    observations = [call("a"), *group, call("b", "1"), call("c", "a", 3), call("d", position=1)]
    tree = build(observations)
    (finding,) = tree.findings
    assert finding.kind is FindingKind.AMBIGUOUS
    assert finding.index == group[0].index
    assert finding.text.startswith("3 calls foo → bar GET /x at app.fetch:0 are made by several")
    assert tree.ambiguous == {*(one.index for one in group), observations[4].index}
    assert tree.flaws == {observations[0].index: 0}
    assert names(tree.preorder) == "a01b2cd"


def test_branches_that_are_started_by_several_at_once_cannot_be_told_apart() -> None:
    branches = [
        replace(
            call(name, position=number),
            role=Role.BRANCH,
            operation="Thread.start",
            occurrence=number + 1,
        )
        for number, name in enumerate("ab")
    ]
    tree = build([branches[0], replace(branches[1], ambiguous=True), call("c", "a")])
    assert [finding.kind for finding in tree.findings] == [FindingKind.AMBIGUOUS]
    assert len(tree.ambiguous) == 3


def test_calls_whose_indices_begin_alike_cannot_be_told_apart_by_a_plan() -> None:
    alike = [replace(call("a"), index=b"12345678" + bytes([n] * 8), position=n) for n in range(2)]
    alike[1] = replace(alike[1], operation="GET /b")
    assert build(alike).ambiguous == {one.index for one in alike}


def test_the_path_of_an_event_is_told_by_the_frames_down_to_it() -> None:
    branch = replace(
        call("b", "a"), role=Role.BRANCH, operation="Thread.start", source="foo", site=SITE
    )
    branch = replace(branch, occurrence=1)
    asked = replace(call("q", "b"), role=Role.ASK)
    last = replace(call("c", "b"), position=1, source="foo", site=SITE, occurrence=1)
    frames = build([call("a"), branch, asked, last]).frames()
    assert frames[last.index] == (call("a").frame, branch.frame, last.frame)
    assert " / ".join(map(str, frames[last.index][1:])) == (
        "branch app.fetch Thread.start #1 / foo: app.fetch GET /c #1"
    )
    assert asked.index not in frames


_INDEX = st.integers(0, 5).map(lambda n: bytes([n]) + bytes(15))


@given(
    st.lists(
        st.builds(
            Observation,
            role=st.sampled_from(Role),
            index=_INDEX,
            parent=_INDEX,
            position=st.integers(0, 4),
        ),
        max_size=12,
    )
)
def test_whatever_is_reported_is_placed_or_found(observations: list[Observation]) -> None:
    tree = build(observations)
    placed = {o.index for o in tree.preorder}
    if not tree.findings:
        assert placed == {o.index for o in observations if o.role in EVENTS}
    for parent, flaw in tree.flaws.items():
        sure = [o.position for o in tree.within(parent)[:flaw]]
        assert sure == list(range(flaw))
