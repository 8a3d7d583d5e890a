"""Faults by hand: what a line says, what it doesn't, and which calls it means."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue import (
    Calls,
    Catalogue,
    Entry,
    Rule,
    RuleError,
    Trial,
    parse_rule,
)
from metaapps.filibuster.catalogue.calls import matches
from metaapps.filibuster.catalogue.wording import NEVER_LATE
from metaapps.filibuster.explore import Ran, explore
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.reduce import NoReduction
from metaapps.filibuster.tree import build
from tests.filibuster.synthetic import Application, Reply, Scope


@pytest.mark.parametrize(
    ("text", "calls", "fault"),
    [
        ("bar→baz: status 503", Calls("bar", "baz"), Fault(FaultKind.STATUS, status=503)),
        ("bar -> baz: refused", Calls("bar", "baz"), Fault(FaultKind.REFUSED)),
        ("bar->baz:timeout", Calls("bar", "baz"), Fault(FaultKind.TIMEOUT)),
        (
            "bar→baz GET /items/*: timeout late",
            Calls("bar", "baz", "GET /items/*"),
            Fault(FaultKind.TIMEOUT, late=True),
        ),
        ("*→*: reset after arrival", Calls(), Fault(FaultKind.RESET, late=True)),
        ("*→baz: UNAVAILABLE", Calls("*", "baz"), Fault(FaultKind.STATUS, status=14)),
        ("*→baz: status NOT_FOUND", Calls("*", "baz"), Fault(FaultKind.STATUS, status=5)),
        ("*→baz: status 5", Calls("*", "baz"), Fault(FaultKind.STATUS, status=5)),
        (
            "a→b: status 429 body come back later",
            Calls("a", "b"),
            Fault(FaultKind.STATUS, status=429, body=b"come back later"),
        ),
        (
            "a→b: raise requests.exceptions.SSLError",
            Calls("a", "b"),
            Fault(FaultKind.RAISE, name="requests.exceptions.SSLError"),
        ),
        ('a→b: body {"a": 1}', Calls("a", "b"), Fault(FaultKind.BODY, body=b'{"a": 1}', late=True)),
        (
            'a→b: body "too late" late',
            Calls("a", "b"),
            Fault(FaultKind.BODY, body=b"too late", late=True),
        ),
        ("a→b: edit null a.b", Calls("a", "b"), Fault(FaultKind.BODY, edit="null a.b")),
        ('a→b: edit "truncate 10"', Calls("a", "b"), Fault(FaultKind.BODY, edit="truncate 10")),
        ("a→b: delay 300ms", Calls("a", "b"), Fault(FaultKind.DELAY, seconds=0.3)),
        ("a→b: delay 2 s", Calls("a", "b"), Fault(FaultKind.DELAY, seconds=2.0)),
        ("a→queue Jobs: drop", Calls("a", "queue", "Jobs"), Fault(FaultKind.DROP)),
        ("a→10.0.0.1:80: timeout", Calls("a", "10.0.0.1:80"), Fault(FaultKind.TIMEOUT)),
    ],
)
def test_a_line_says_where_and_what(text: str, calls: Calls, fault: Fault) -> None:
    assert parse_rule(text) == Rule(calls, fault)


def test_a_line_says_when() -> None:
    rule = parse_rule("bar→baz: timeout first 2 attempts after foo→bar GET /x late")
    timeout = Fault(FaultKind.TIMEOUT, late=True)
    assert rule == Rule(Calls("bar", "baz"), timeout, 2, Calls("foo", "bar", "GET /x"))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "say where and, after a colon, what, as in 'bar→baz: status 503'"),
        ("bar→baz", "after a colon"),
        ("bar>baz: timeout", "(→ or ->): 'bar→baz'"),
        ("baz: timeout", "'*→baz'"),
        ("a→b→c: timeout", "one arrow"),
        ("bar→baz:", "say what shall happen: refused, timeout"),
        ("bar→baz: statsu 503", "did you mean 'status'?"),
        ("bar→baz: Unavailabel", "did you mean 'UNAVAILABLE'?"),
        ("bar→baz: 503", "did you mean 'status 503'?"),
        ("bar→baz: status 99", "'99' is no status"),
        ("bar→baz: status OK", "'OK' is no status"),
        ("bar→baz: status INTERNL", "did you mean 'INTERNAL'?"),
        ("bar→baz: raise", "give its full name"),
        ("bar→baz: raise a b", "'b' is too much"),
        ("bar→baz: body", "give the text that shall be answered"),
        ('bar→baz: body "x', "in quotation marks"),
        ("bar→baz: edit nul a", "did you mean 'null'?"),
        ("bar→baz: edit truncate ten", "how many bytes"),
        ("bar→baz: edit null a..b", "a path looks like a.b[0]"),
        ("bar→baz: delay 2h", "'delay 2s' or 'delay 300ms'"),
        ("bar→baz: delay 0s", "is no time"),
        ("bar→baz: delay 999999999s", "is no time"),
        ("bar→baz: timeout lat", "did you mean 'late'?"),
        ("bar→baz: timeout late late", "said twice"),
        ("bar→baz: refused late", "only an answer that came can be lost"),
        ("bar→baz: timeout first 0", "from 1 to 100"),
        ("bar→baz: timeout first", "from 1 to 100"),
        ("bar→baz: timeout after foo", "after which call?"),
        ("bar→baz: drop first 2", "for messages"),
        ("bar→baz: body " + "x" * 3000, "at most 2000 characters"),
        ("*" * 20 + "→baz: timeout", "at most 16 stars"),
    ],
)
def test_what_is_no_rule_is_one_line_with_advice(text: str, advice: str) -> None:
    with pytest.raises(RuleError, match=re.escape(advice)) as caught:
        parse_rule(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@given(text=st.text(max_size=60) | st.from_regex(r"a→b: \w+ .*", fullmatch=True))
def test_any_text_is_a_rule_or_one_line(text: str) -> None:
    with suppress(RuleError):
        rule = parse_rule(text)
        assert parse_rule(str(rule)) == rule


NAMES = st.from_regex(r"[\w*.-]{1,12}", fullmatch=True)
OPERATIONS = st.sampled_from(["", "GET /items/*", "/shop.Stock/Count", "*", "POST /a:b", "Jobs"])
CALLS = st.builds(Calls, NAMES, NAMES, OPERATIONS)
TEXTS = st.text(max_size=20)
FAULTS = st.one_of(
    st.builds(
        Fault,
        st.sampled_from(
            [FaultKind.REFUSED, FaultKind.TIMEOUT, FaultKind.RESET, FaultKind.CANCELLED]
        ),
    ),
    st.builds(Fault, st.just(FaultKind.STATUS), status=st.integers(1, 16)),
    st.builds(
        Fault,
        st.just(FaultKind.STATUS),
        status=st.integers(100, 599),
        body=st.none() | TEXTS.map(str.encode),
    ),
    st.builds(
        Fault, st.just(FaultKind.RAISE), name=st.sampled_from(["ValueError", "httpx.ConnectError"])
    ),
    st.builds(Fault, st.just(FaultKind.BODY), body=TEXTS.map(str.encode), late=st.just(True)),
    st.builds(
        Fault,
        st.just(FaultKind.BODY),
        edit=st.sampled_from(["null a.b", 'drop a["x y"].c[0]', "retype late", "truncate 0"]),
    ),
    st.builds(
        Fault, st.just(FaultKind.DELAY), seconds=st.integers(1, 3_600_000).map(lambda n: n / 1000)
    ),
    st.builds(Fault, st.sampled_from([FaultKind.DROP, FaultKind.DUPLICATE])),
)


@given(
    calls=CALLS,
    fault=FAULTS,
    late=st.booleans(),
    attempts=st.none() | st.integers(1, 100),
    after=st.none() | CALLS,
)
def test_a_rule_is_what_its_text_says(
    calls: Calls, fault: Fault, late: bool, attempts: int | None, after: Calls | None
) -> None:
    if late and fault.kind not in NEVER_LATE and fault.edit is None:
        fault = Fault(fault.kind, fault.status, fault.name, fault.body, late=True)
    if fault.kind in (FaultKind.DROP, FaultKind.DUPLICATE):
        attempts = None
    rule = Rule(calls, fault, attempts, after)
    assert parse_rule(str(rule)) == rule


@given(
    parts=st.lists(st.text("ab", max_size=3), min_size=1, max_size=5),
    text=st.text("ab", max_size=12),
)
def test_a_star_stands_for_any_text(parts: list[str], text: str) -> None:
    assert matches("*".join(parts), text) == bool(re.fullmatch(".*".join(parts), text))


def seen(
    path: str,
    between: str,
    operation: str = "GET /",
    *,
    role: Role = Role.CALL,
    library: str = "requests",
    method: str = "get",
    occurrence: int = 1,
    ok: bool = True,
) -> Observation:
    """Make an observation at a place such as "0.1": the second event within the first one."""
    source, _, target = between.partition("→")
    above = path.rpartition(".")[0]
    return Observation(
        role=role,
        index=path.encode().ljust(16, b"-"),
        parent=above.encode().ljust(16, b"-") if above else ROOT,
        position=int(path.rpartition(".")[2]),
        source=source,
        target=target,
        library=library,
        method=method,
        operation=operation,
        occurrence=occurrence,
        ok=ok,
    )


def tried(text: str, call: Observation, *others: Observation) -> list[str]:
    """Return what a rule tries at a call among others."""
    catalogue = Catalogue((Entry.of(parse_rule(text)),))
    return [str(trial.fault) for trial in catalogue.trials_for(call, build([call, *others]))]


def test_a_rule_means_the_calls_that_it_names() -> None:
    call = seen("0", "bar→baz", "GET /items/7")
    for meant in (
        "bar→baz",
        "*→baz",
        "bar→*",
        "b*→b*z",
        "bar→baz GET /items/*",
        "bar→baz /items/7",
    ):
        assert tried(f"{meant}: timeout", call) == ["timeout"]
    for other in ("foo→baz", "bar→ba", "bar→baz GET /items", "bar→baz POST *"):
        assert tried(f"{other}: timeout", call) == []


def test_codes_of_grpc_befall_calls_of_grpc_alone_and_statuses_the_others() -> None:
    http, grpc = seen("0", "a→b"), seen("0", "a→b", library="grpc.aio")
    assert (tried("a→b: NOT_FOUND", http), tried("a→b: status 503", grpc)) == ([], [])
    assert tried("a→b: NOT_FOUND", grpc) == ["status 5"]
    assert tried("a→b: status 503", http) == ["status 503"]


def test_messages_are_named_by_their_library_and_have_faults_of_their_own() -> None:
    message = seen("0", "shop→", "Jobs", role=Role.BRANCH, library="queue", method="put")
    for meant in ("shop→queue", "*→*", "shop→queue Jobs"):
        assert tried(f"{meant}: drop", message) == ["drop"]
    assert tried("shop→queue: duplicate", message) == ["duplicate"]
    assert tried("shop→queue: delay 1s", message) == ["delay 1 s"]
    assert tried("*→*: timeout", message) == []
    assert tried("*→*: drop", seen("0", "a→b")) == []


def test_a_thread_is_no_message() -> None:
    thread = seen("0", "shop→", "start", role=Role.BRANCH, library="threading", method="")
    assert tried("*→*: delay 1s", thread) == []


def test_so_many_first_attempts_are_one_trial_at_the_first() -> None:
    catalogue = Catalogue((Entry.of(parse_rule("a→b: status 503 first 2")),))
    first, second = seen("0", "a→b"), seen("1", "a→b", occurrence=2)
    tree = build([first, second])
    assert catalogue.trials_for(first, tree) == (Trial(Fault(FaultKind.STATUS, status=503), 2),)
    assert catalogue.trials_for(second, tree) == ()


LATER = "a→c: timeout after a→b"


def test_what_comes_after_a_call_that_succeeded_is_tried_then_only() -> None:
    late = seen("1", "a→c")
    assert tried(LATER, late, seen("0", "a→b")) == ["timeout"]
    assert tried(LATER, late, seen("0", "a→b", ok=False)) == []
    assert tried(LATER, late, seen("2", "a→b")) == []
    assert tried(LATER, late) == []


def test_a_call_within_another_one_has_not_come_after_it() -> None:
    assert tried("b→c: timeout after a→b", seen("0.0", "b→c"), seen("0", "a→b")) == []


def test_what_a_service_below_did_came_before_what_is_called_next() -> None:
    below = seen("0.0", "x→y"), seen("0", "a→x")
    assert tried("a→c: timeout after x→y", seen("1", "a→c"), *below) == ["timeout"]


def test_only_what_is_certain_to_have_ended_counts_as_before() -> None:
    branch = seen("0", "a→", role=Role.BRANCH, method="")
    in_branch = seen("0.0", "a→b")
    assert tried(LATER, seen("1", "a→c"), branch, in_branch) == []
    # In the branch itself, and in one that was started after it, it is.
    assert tried(LATER, seen("0.1", "a→c"), branch, in_branch) == ["timeout"]
    other = seen("1", "a→", role=Role.BRANCH, method="")
    assert tried(LATER, seen("1.0", "a→c"), other, seen("0", "a→b")) == ["timeout"]


def test_a_search_tries_a_fault_with_a_condition_only_where_it_holds() -> None:
    def shop(scope: Scope, operation: str, payload: bytes) -> Reply:
        scope.call("stock", "POST /reserve")
        return scope.call("bank", "POST /pay")

    def test(scope: Scope) -> None:
        scope.call("shop", "POST /order")

    rules = ("shop→stock: status 503", "shop→bank: timeout after shop→stock")
    catalogue = Catalogue(tuple(Entry.of(parse_rule(rule)) for rule in rules))
    app = Application({"shop": shop, "stock": lambda *_: Reply(), "bank": lambda *_: Reply()}, test)
    plans = {
        tuple(planned.label for planned in event.execution.plan.faults)
        for event in explore(app.run, catalogue, NoReduction())
        if isinstance(event, Ran)
    }
    down = "shop → stock POST /reserve: status 503"
    assert plans == {(), (down,), ("shop → bank POST /pay: timeout",)}
