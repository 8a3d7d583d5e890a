"""What an application does with streams of Redis, and what becomes of context then."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Any, TypeVar

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

import baggage
from baggage.boundary import (
    PROCEED,
    Boundary,
    Fault,
    FaultKind,
    Inject,
    Kind,
    Raised,
    delivery_of,
)
from baggage.context import Branch, attached, branch, pack, unpack
from baggage.instrumentation import queue as queues
from baggage.instrumentation import redis as instrumentation
from baggage.testing.apps import Recorder, Scripted
from tests.brokers import patient, unique
from tests.instrumentation.waist import Waist

T = TypeVar("T")
OURS = {b"baggage", b"baggage-fields", b"baggage-message"}


@pytest.fixture(scope="module")
def instrumented() -> Waist:
    return Waist(instrumentation, queues)


@pytest.fixture
def boundary(instrumented: Waist) -> Iterator[Boundary]:
    with instrumented.on() as boundary:
        yield boundary


@pytest.fixture
def client(boundary: Boundary, redis_url: str) -> Iterator[Any]:
    with connected(redis_url) as opened:
        yield opened


@pytest.fixture
def stream() -> str:
    return unique("orders")


def add(client: Any, stream: str, *tenants: str, fields: dict[Any, Any] | None = None) -> list[Any]:
    """Add an entry for each tenant, in a request of its own."""
    added = []
    for tenant in tenants:
        with attached(Branch()):
            pack("tenant", tenant)
            added.append(client.xadd(stream, fields or {"of": tenant}))
    return added


def connected(url: str, **options: Any) -> Any:
    return redis.Redis.from_url(patient(url), **options)  # Its types tell of all protocols at once.


def aconnected(url: str, **options: Any) -> Any:
    return redis.asyncio.Redis.from_url(patient(url), **options)


def in_a_worker(work: Callable[[], T]) -> T:
    return Context().run(work)


def raw(instrumented: Waist, client: Any, stream: str) -> list[dict[bytes, bytes]]:
    """Return what is in a stream, as somebody sees it who is not instrumented."""
    instrumented.switch.on = False
    try:
        found: Any = client.xrange(stream)
        return [fields for _, fields in found]
    finally:
        instrumented.switch.on = True


def entries_of(client: Any, stream: str, **more: Any) -> Any:
    answer: Any = client.xread({stream: "0"}, **more)
    return answer[0][1]


# Loops


def test_a_loop_takes_one_entry_after_the_other(client: Any, stream: str) -> None:
    add(client, stream, "a", "b")
    client.xadd(stream, {"of": "nobody"})

    def work() -> list[Any]:
        seen = []
        for _, fields in entries_of(client, stream):
            seen.append((fields[b"of"], unpack("tenant"), unpack("left")))
            pack("left", "behind")
        return [*seen, branch()]

    assert in_a_worker(work) == [
        (b"a", ("a",), ()),
        (b"b", ("b",), ()),
        (b"nobody", (), ()),
        None,
    ]


@pytest.mark.parametrize(
    "looped",
    [
        lambda found: [unpack("tenant") for _ in found],
        lambda found: [unpack("tenant") for _, _ in enumerate(found)],
        lambda found: [unpack("tenant") for _ in (entry for entry in found)],
        lambda found: [unpack("tenant") for _ in _passed_on(found)],
        lambda found: list(reversed([unpack("tenant") for _ in reversed(found)])),
    ],
    ids=["comprehension", "enumerate", "generator", "yield from", "reversed"],
)
def test_whatever_loops_in_python_takes_entries(
    client: Any, stream: str, looped: Callable[[Any], Any]
) -> None:
    add(client, stream, "a", "b")
    assert in_a_worker(lambda: looped(entries_of(client, stream))) == [("a",), ("b",)]


def _passed_on(found: Any) -> Iterator[Any]:
    yield from found


@pytest.mark.parametrize(
    "gathered",
    [
        list,
        tuple,
        sorted,
        len,
        bool,
        lambda found: found[0],
        lambda found: found[:],
        lambda found: [*found],
        lambda found: (lambda *each: each)(*found),
        lambda found: found == [*found],
        lambda found: found + found,
        copy.copy,
        copy.deepcopy,
        repr,
    ],
)
def test_who_gathers_entries_takes_none(
    client: Any, boundary: Boundary, stream: str, gathered: Callable[[Any], Any]
) -> None:
    add(client, stream, "a", "b")
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary.register(recorder)
    in_a_worker(lambda: gathered(entries_of(client, stream)))
    assert recorder.begun == []


def test_the_only_entry_is_taken_by_unpacking_it(client: Any, stream: str) -> None:
    add(client, stream, "a", "b")

    def work() -> tuple[Any, Any]:
        for _, [(_, fields)] in client.xread({stream: "0"}, count=1):
            return fields, unpack("tenant")
        raise AssertionError

    assert in_a_worker(work) == ({b"of": b"a"}, ("a",))


def test_a_worker_that_leaves_its_loop_works_on_until_it_reads_again(
    client: Any, stream: str
) -> None:
    add(client, stream, "a")

    def work() -> list[object]:
        for _ in entries_of(client, stream):
            break
        seen: list[object] = [unpack("tenant")]
        client.xlen(stream)
        client.xread({unique("another"): "0"})
        seen.append(unpack("tenant"))
        client.xread({stream: "$"}, block=1)
        return [*seen, branch()]

    assert in_a_worker(work) == [("a",), ("a",), None]


def test_a_loop_hands_each_entry_to_a_pool_in_its_context(client: Any, stream: str) -> None:
    add(client, stream, "a", "b", "c")

    def work() -> list[Any]:
        running = [branch() for _ in entries_of(client, stream)]
        return [None if each is None else each.baggage.unpack("tenant") for each in running]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(in_a_worker, work).result() == [("a",), ("b",), ("c",)]


# What is read


def test_what_is_read_is_as_without_us(instrumented: Waist, client: Any, stream: str) -> None:
    ours = add(client, stream, "a", fields={"k": "v", b"\xff": b"\x00", "n": 1})
    plain = {b"k": b"v", b"\xff": b"\x00", b"n": b"1"}
    found = entries_of(client, stream)
    assert found == [(ours[0], plain)]
    assert [(ours[0], plain)] == found
    for copied in (pickle.loads(pickle.dumps(found)), copy.copy(found), copy.deepcopy(found)):
        assert (type(copied), copied) == (list, [(ours[0], plain)])
    fields = pickle.loads(pickle.dumps(found[0][1]))
    assert (type(fields), fields) == (dict, plain)
    assert set(raw(instrumented, client, stream)[0]) > OURS & {b"baggage", b"baggage-fields"}


def test_what_is_read_can_be_written_as_json(boundary: Boundary, redis_url: str) -> None:
    name = unique("orders")
    with connected(redis_url, decode_responses=True) as client:
        (added,) = add(client, name, "a")
        assert json.loads(json.dumps(client.xread({name: "0"}))) == [[name, [[added, {"of": "a"}]]]]


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("options", [{}, {"protocol": 2}, {"protocol": 3}])
def test_answers_have_the_form_that_a_client_wants(
    instrumented: Waist, boundary: Boundary, redis_url: str, decoded: bool, options: Any
) -> None:
    name, bare = unique("orders"), unique("bare")
    with connected(redis_url, decode_responses=decoded, **options) as client:
        for at, tenant in enumerate("abc"):
            with attached(Branch()):
                pack("tenant", tenant)
                client.xadd(name, {"n": at}, id=f"{at + 1}-0")
            client.xadd(bare, {"n": at}, id=f"{at + 1}-0")
        reads: list[Callable[[str], Any]] = [
            lambda it: client.xread({it: "0"}),
            lambda it: client.xrange(it),
            lambda it: client.xrevrange(it),
            lambda it: client.xgroup_create(it, "g", "0"),
            lambda it: client.xreadgroup("g", "c", {it: ">"}),
            lambda it: client.xreadgroup("g", "c", {it: "0"}),
            lambda it: client.xclaim(it, "g", "d", 0, ["1-0", "2-0"]),
            lambda it: client.xclaim(it, "g", "d", 0, ["1-0"], justid=True),
            lambda it: client.xautoclaim(it, "g", "e", 0, count=1),
            lambda it: client.xautoclaim(it, "g", "e", 0, justid=True),
            lambda it: client.xread({it: "$"}),
            lambda it: client.execute_command("XREAD", "STREAMS", it, "0"),
            lambda it: client.execute_command("XREAD STREAMS", it, "0"),
            lambda it: client.execute_command(b"XREAD", "STREAMS", it, "0"),
            lambda it: client.execute_command("xrange", it, "-", "+"),
            lambda it: client.pipeline().xread({it: "0"}).xrange(it).execute(),
            lambda it: client.pipeline(transaction=False).xread({it: "0"}).get("k").execute(),
            lambda it: client.xtrim(it, 1, approximate=False),
            lambda it: client.xautoclaim(it, "g", "e", 0),
            lambda it: client.xreadgroup("g", "e", {it: "0"}),
        ]
        for read in reads:
            ours = json.dumps(_plain(read(name))).replace(name, bare)
            instrumented.switch.on = False
            theirs = json.dumps(_plain(read(bare)))
            instrumented.switch.on = True
            assert ours == theirs


def _plain(answer: Any) -> Any:
    """Return an answer as JSON can say it, with its types where JSON knows none."""
    if isinstance(answer, bytes):
        return "b:" + answer.decode("latin-1")
    if isinstance(answer, dict):
        return [[_plain(name), _plain(value)] for name, value in answer.items()]
    if isinstance(answer, tuple):
        return ["tuple", *map(_plain, answer)]
    return [*map(_plain, answer)] if isinstance(answer, list) else answer


def test_fields_of_the_application_s_are_never_touched(
    instrumented: Waist, client: Any, stream: str
) -> None:
    theirs = {b"baggage": b"two bags", b"baggage_": b"one more", b"baggage-fields": b"order"}
    add(client, stream, "a", fields=theirs)
    client.xadd(stream, theirs)

    def work() -> list[Any]:
        return [(fields, unpack("tenant")) for _, fields in entries_of(client, stream)]

    assert in_a_worker(work) == [(theirs, ("a",)), (theirs, ())]


def test_an_entry_that_somebody_else_forwards_carries_its_new_context_alone(
    instrumented: Waist, client: Any, stream: str
) -> None:
    add(client, stream, "a")
    (fields,) = raw(instrumented, client, stream)
    add(client, stream, "b", fields=fields)
    assert len(raw(instrumented, client, stream)[1]) == len(fields)

    def work() -> list[Any]:
        return [(fields, unpack("tenant")) for _, fields in entries_of(client, stream)]

    assert in_a_worker(work) == [({b"of": b"a"}, ("a",)), ({b"of": b"a"}, ("b",))]


# By hand


@pytest.mark.parametrize("held", [lambda entry: entry, lambda entry: entry[1]])
@pytest.mark.parametrize("read", ["xread", "xrange"])
def test_entries_are_consumed_by_hand(
    client: Any, stream: str, held: Callable[[Any], Any], read: str
) -> None:
    add(client, stream, "a", "b")
    client.xadd(stream, {"of": "nobody"})

    def work() -> list[str]:
        found: Any = client.xrange(stream) if read == "xrange" else entries_of(client, stream)
        assert branch() is None
        for entry in [*found]:
            with baggage.consuming(held(entry)):
                each.append(unpack("tenant"))
        with baggage.consuming(*map(held, [*found])):
            return sorted(map(str, unpack("tenant")))

    each: list[object] = []
    assert in_a_worker(work) == ["a", "b"]
    assert each == [("a",), ("b",), ()]


def test_an_entry_that_a_loop_took_is_not_consumed_twice_and_its_failure_is_heard_of(
    client: Any, boundary: Boundary, stream: str
) -> None:
    add(client, stream, "a", "b")
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary.register(recorder)
    error = LookupError("the worker's own")

    def work() -> None:
        for entry in entries_of(client, stream):
            with baggage.consuming(entry):
                if unpack("tenant") == ("b",):
                    raise error

    with pytest.raises(LookupError):
        in_a_worker(work)
    outcomes = [crossed.outcome for crossed in recorder.ended]
    assert [isinstance(outcome, Raised) for outcome in outcomes] == [False, True]
    assert outcomes[1].error is error  # type: ignore[union-attr]


def test_a_batch_is_told_once_of_each_entry(client: Any, boundary: Boundary, stream: str) -> None:
    add(client, stream, "a", "b", "c")
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary.register(recorder)

    def work() -> list[str]:
        found = entries_of(client, stream)
        with baggage.consuming(*found):
            return sorted(map(str, unpack("tenant")))

    assert in_a_worker(work) == ["a", "b", "c"]
    assert len(recorder.ended) == 3


# Groups


def test_what_a_worker_has_not_done_another_one_claims(
    client: Any, boundary: Boundary, stream: str
) -> None:
    add(client, stream, "a", "b")
    recorder = Recorder(kinds=(Kind.CONSUMER,))
    boundary.register(recorder)
    client.xgroup_create(stream, "g", "0")

    def crash() -> None:
        for _ in client.xreadgroup("g", "first", {stream: ">"})[0][1]:
            pack("left", "behind")

    def claim() -> list[Any]:
        found = client.xautoclaim(stream, "g", "second", 0)[1]
        return [(unpack("tenant"), unpack("left")) for _ in found]

    in_a_worker(crash)
    assert in_a_worker(claim) == [(("a",), ()), (("b",), ())]
    in_a_worker(
        lambda: [*map(str, (e for e in client.xreadgroup("g", "second", {stream: "0"})[0][1]))]
    )
    told = [crossed.call for crossed in recorder.begun]
    assert [call.delivery for call in told] == [1, 1, 2, 2, 2, 2]
    assert {call.arguments["group"] for call in told} == {"g"}
    assert len({call.payload for call in told}) == 2


WORKER = """
import os, sys, baggage
baggage.instrument("redis")
import redis
url, stream, crashes = sys.argv[1], sys.argv[2], sys.argv[3] == "crashes"
client = redis.Redis.from_url(url)
if crashes:
    found = client.xreadgroup("g", "first", {stream: ">"})[0][1]
else:
    found = client.xautoclaim(stream, "g", "second", 0)[1]
for entry_id, fields in found:
    print(fields, *baggage.unpack("tenant"), flush=True)
    if crashes:
        os._exit(9)
    client.xack(stream, "g", entry_id)
"""


def test_what_a_process_leaves_behind_that_crashes_another_one_works_on(
    client: Any, redis_url: str, stream: str
) -> None:
    add(client, stream, "a", "b")
    client.xgroup_create(stream, "g", "0")
    program = [sys.executable, "-c", WORKER, patient(redis_url), stream]
    said = [
        subprocess.run([*program, how], check=False, capture_output=True, text=True).stdout
        for how in ("crashes", "works")
    ]
    assert said == ["{b'of': b'a'} a\n", "{b'of': b'a'} a\n{b'of': b'b'} b\n"]
    assert client.xpending(stream, "g")["pending"] == 0


def test_two_groups_read_the_same_entry_as_deliveries_of_their_own(
    client: Any, stream: str
) -> None:
    total = baggage.key("redis.total", type=baggage.Sum)
    replies = unique("replies")
    for group in ("one", "two"):
        client.xgroup_create(stream, group, "0", mkstream=True)

    def work(group: str) -> None:
        for entry_id, _ in client.xreadgroup(group, "c", {stream: ">"})[0][1]:
            pack(total, 1)
            client.xadd(replies, {"from": group})
            client.xack(stream, group, entry_id)
            assert unpack("tenant") == ("a",)

    with attached(Branch()):
        pack("tenant", "a")
        pack(total, 5)
        client.xadd(stream, {"n": 1})
        here = branch()
        for group in ("one", "two"):
            in_a_worker(lambda group=group: work(group))  # type: ignore[misc]
        for _ in entries_of(client, replies):
            assert branch() is here
        assert unpack(total) == (7,)


def test_workers_of_a_group_share_its_entries(client: Any, stream: str) -> None:
    tenants = [f"tenant {n}" for n in range(40)]
    client.xgroup_create(stream, "g", "0", mkstream=True)
    seen: list[tuple[str, object]] = []

    def work(name: str) -> None:
        while answer := client.xreadgroup("g", name, {stream: ">"}, count=3, block=300_000):
            for entry_id, fields in answer[0][1]:
                if b"stop" in fields:
                    return
                seen.append((fields[b"of"].decode(), unpack("tenant")))
                client.xack(stream, "g", entry_id)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    add(client, stream, *tenants)
    for _ in range(9):
        client.xadd(stream, {"stop": 1})
    for thread in threads:
        thread.join(300)
    assert sorted(seen) == sorted((tenant, (tenant,)) for tenant in tenants)


# XADD


def test_options_of_xadd_work_as_ever(client: Any, stream: str) -> None:
    with attached(Branch()):
        pack("tenant", "a")
        assert client.xadd(stream, {"n": 0}, nomkstream=True) is None
        assert client.xadd(stream, {"n": 1}, id="5-1") == b"5-1"
        for n in range(9):
            client.xadd(stream, {"n": n}, maxlen=3, approximate=False)
        assert client.xlen(stream) == 3
        client.xadd(stream, {"n": 9}, minid="5-0", approximate=True, limit=10)
        client.xadd(stream, {"n": 9}, maxlen=100, nomkstream=True)
        client.execute_command("XADD", stream, "*", "n", 9)
        client.execute_command("xadd", stream, "MAXLEN", "~", 100, "*", b"n", 9)
        client.execute_command(f"XADD {stream} * n 9")
    found = entries_of(client, stream)
    assert [set(fields) for _, fields in found] == [{b"n"}] * len(found)
    assert in_a_worker(lambda: {unpack("tenant") for _ in entries_of(client, stream)}) == {("a",)}


@pytest.mark.parametrize("args", [("XADD",), ("XADD", "s"), ("XADD", "s", "*", "k"), ("XREAD",)])
def test_what_redis_refuses_it_refuses_as_ever(client: Any, args: tuple[str, ...]) -> None:
    with attached(Branch()):
        pack("tenant", "a")
        with pytest.raises(redis.ResponseError):
            client.execute_command(*args)


def test_an_error_of_redis_is_told_and_passes(client: Any, boundary: Boundary, stream: str) -> None:
    recorder = Recorder(kinds=(Kind.PRODUCER,))
    boundary.register(recorder)
    client.set(stream, "no stream")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE") as raised:
        add(client, stream, "a")
    outcome = recorder.ended[0].outcome
    assert isinstance(outcome, Raised)
    assert outcome.error is raised.value


def test_what_redis_py_sends_again_is_published_once(
    boundary: Boundary, redis_url: str, stream: str
) -> None:
    recorder = Recorder(kinds=(Kind.PRODUCER,))
    boundary.register(recorder)
    with connected(redis_url, retry=Retry(NoBackoff(), 3)) as client:
        client.ping()
        with connected(redis_url) as other:
            name = client.client_id()
            other.client_kill_filter(_id=str(name))
        add(client, stream, "a")
        assert client.client_id() != name
        assert client.xlen(stream) == 1
    assert len(recorder.ended) == 1


def test_other_commands_are_none_of_our_business(client: Any, boundary: Boundary) -> None:
    recorder = Recorder()
    boundary.register(recorder)
    name = unique("list")
    with attached(Branch()):
        pack("tenant", "a")
        client.lpush(name, "x")
        assert client.brpop([name], timeout=1) == (name.encode(), b"x")
        client.publish(name, "x")
        assert client.xlen(name) == 0
        assert client.pipeline().set(name, "v").get(name).execute() == [True, b"v"]
    assert recorder.begun == []


def test_a_pooled_connection_is_no_message(boundary: Boundary, redis_url: str, stream: str) -> None:
    recorder = Recorder()
    boundary.register(recorder)
    pool = redis.BlockingConnectionPool.from_url(patient(redis_url), max_connections=2)
    client: Any = redis.Redis(connection_pool=pool)

    def work() -> Branch | None:
        client.get(stream)
        return branch()

    with attached(Branch()):
        pack("tenant", "a")
        client.get(stream)
    with ThreadPoolExecutor(1) as worker:
        assert worker.submit(in_a_worker, work).result() is None
    assert recorder.begun == []
    pool.disconnect()


# Pipelines


@pytest.mark.parametrize("transaction", [True, False])
def test_a_pipeline_s_entries_are_published_one_by_one(
    client: Any, boundary: Boundary, stream: str, transaction: bool
) -> None:
    recorder = Recorder(kinds=(Kind.PRODUCER,))
    boundary.register(recorder)
    with attached(Branch()):
        pack("tenant", "a")
        with client.pipeline(transaction=transaction) as pipe:
            pipe.xadd(stream, {"n": 1}).incr(unique("n")).xadd(stream, {"n": 2}).xlen(stream)
            first, one, second, length = pipe.execute()
    assert (one, length) == (1, 2)
    assert [entry_id for entry_id, _ in client.xrange(stream)] == [first, second]
    assert in_a_worker(lambda: [unpack("tenant") for _ in entries_of(client, stream)]) == [
        ("a",),
        ("a",),
    ]
    assert [crossed.outcome.value for crossed in recorder.ended] == [first, second]  # type: ignore[union-attr]
    assert recorder.begun[0].call.site.module == __name__


def test_a_long_pipeline_is_no_deep_one(client: Any, stream: str) -> None:
    with attached(Branch()):
        pack("tenant", "a")
        pipe = client.pipeline(transaction=False)
        for n in range(3000):
            pipe.xadd(stream, {"n": n})
        assert len(pipe.execute()) == client.xlen(stream) == 3000


class Nth(Scripted):
    """Has a fault befall one crossing of several."""

    def __init__(self, nth: int, fault: Fault) -> None:
        super().__init__(Inject(fault), kinds=(Kind.PRODUCER,))
        self.left = nth

    def around(self, call: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            return (yield from super().around(call))
        yield PROCEED
        return None


@pytest.mark.parametrize("tasks", [False, True])
@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize(
    ("kind", "lie"),
    [(FaultKind.DROP, b"13"), (FaultKind.DUPLICATE, b"1232"), (FaultKind.REFUSED, b"")],
)
def test_a_fault_befalls_one_entry_of_a_pipeline(
    client: Any,
    boundary: Boundary,
    stream: str,
    redis_url: str,
    tasks: bool,
    transaction: bool,
    kind: FaultKind,
    lie: bytes,
) -> None:
    boundary.register(Nth(2, Fault(kind)))

    def send(pipe: Any) -> Any:
        for n in (1, 2, 3):
            pipe.xadd(stream, {"n": n})
        return pipe.execute()

    async def asend() -> Any:
        async with aconnected(redis_url) as aclient:
            return await send(aclient.pipeline(transaction=transaction))

    with attached(Branch()):
        pack("tenant", "a")
        try:
            if tasks:
                ids = asyncio.run(asend())
            else:
                ids = send(client.pipeline(transaction=transaction))
            assert [type(each) for each in ids] == [bytes] * 3
        except redis.ConnectionError:
            assert kind is FaultKind.REFUSED
    assert b"".join(fields[b"n"] for _, fields in client.xrange(stream)) == lie
    if lie:
        seen = in_a_worker(lambda: {unpack("tenant") for _ in entries_of(client, stream)})
        assert seen == {("a",)}


@pytest.mark.parametrize("transaction", [True, False])
def test_an_error_in_a_pipeline_is_as_ever_and_told_of_that_entry(
    instrumented: Waist,
    client: Any,
    boundary: Boundary,
    stream: str,
    transaction: bool,
) -> None:
    recorder = Recorder(kinds=(Kind.PRODUCER,))
    boundary.register(recorder)
    wrong = unique("string")
    client.set(wrong, "no stream")

    def run(*, raising: bool) -> Any:
        pipe = client.pipeline(transaction=transaction)
        pipe.xadd(stream, {"n": 1}).xadd(wrong, {"n": 2}).get(wrong)
        return pipe.execute(raise_on_error=raising)

    instrumented.switch.on = False
    with pytest.raises(redis.ResponseError) as theirs:
        run(raising=True)
    instrumented.switch.on = True
    with attached(Branch()):
        pack("tenant", "a")
        with pytest.raises(redis.ResponseError) as ours:
            run(raising=True)
        entry_id, error, value = run(raising=False)
    assert ours.value.args == theirs.value.args
    assert (type(entry_id), type(error), value) == (bytes, redis.ResponseError, b"no stream")
    outcomes = [isinstance(crossed.outcome, Raised) for crossed in recorder.ended]
    assert outcomes == [False, True, False, True]


def test_a_pipeline_that_watches_publishes_at_once(client: Any, stream: str) -> None:
    with attached(Branch()):
        pack("tenant", "a")
        with client.pipeline() as pipe:
            pipe.watch(stream)
            pipe.xadd(stream, {"n": 1})
            assert pipe.xread({stream: "0"})[0][1][0][1] == {b"n": b"1"}
            pipe.multi()
            pipe.xadd(stream, {"n": 2})
            with pytest.raises(redis.WatchError):
                pipe.execute()
        client.transaction(lambda pipe: pipe.xadd(stream, {"n": 3}), unique("unused"))
    assert in_a_worker(
        lambda: [(fields[b"n"], unpack("tenant")) for _, fields in entries_of(client, stream)]
    ) == [(b"1", ("a",)), (b"3", ("a",))]


# Tasks


def test_a_task_works_on_one_entry_after_the_other(
    boundary: Boundary, redis_url: str, stream: str
) -> None:
    async def work() -> None:
        async with aconnected(redis_url) as client:
            for tenant in ("a", "b"):
                with attached(Branch()):
                    pack("tenant", tenant)
                    await client.xadd(stream, {"of": tenant})
            await client.xgroup_create(stream, "g", "0")
            seen = []
            for _ in range(2):
                answer = await client.xreadgroup("g", "c", {stream: ">"}, count=1, block=300_000)
                for name, found in answer:
                    assert name == stream.encode()
                    for entry_id, fields in found:
                        await asyncio.sleep(0)
                        seen.append((fields, unpack("tenant")))
                        await client.xack(stream, "g", entry_id)
            assert seen == [({b"of": b"a"}, ("a",)), ({b"of": b"b"}, ("b",))]
            assert branch() is None
            looked = await client.xrange(stream)
            assert all(delivery_of(entry) for entry in looked)

    asyncio.run(work())


def test_tasks_do_not_disturb_each_other(boundary: Boundary, redis_url: str) -> None:
    async def work(client: Any, tenant: str) -> list[object]:
        name = unique("orders")
        seen: list[object] = []
        with attached(Branch()):
            pack("tenant", tenant)
            for n in range(5):
                await client.xadd(name, {"n": n})
        for _, found in await client.xread({name: "0"}):
            for _ in found:
                await asyncio.sleep(0)
                seen.append(unpack("tenant"))
        return seen

    async def whole() -> list[list[object]]:
        async with aconnected(redis_url) as client:
            return await asyncio.gather(*(work(client, tenant) for tenant in "abc"))

    assert asyncio.run(whole()) == [[(tenant,)] * 5 for tenant in "abc"]


def test_a_task_waits_for_late_entries_before_it_gets_them(
    boundary: Boundary, redis_url: str, stream: str
) -> None:
    late = Fault(FaultKind.DELAY, seconds=0.01)
    boundary.register(Scripted(Inject(late), kinds=(Kind.PRODUCER,)))

    async def work() -> None:
        async with aconnected(redis_url) as client:
            with attached(Branch()):
                pack("tenant", "a")
                await client.xadd(stream, {"n": 1})
            ((_, found),) = await client.xread({stream: "0"})
            delivery = delivery_of(found[0])
            assert delivery is not None
            assert delivery.left == 0

    asyncio.run(work())
