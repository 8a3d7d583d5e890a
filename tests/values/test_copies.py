"""Copies, pickles and forked processes never write with the ids of the original."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

from baggage.values import EMPTY, Baggage, Direction, Key, receive
from baggage.wire import WireBaggage, WireBlock, WireEntry, encode

HOME = Key("test.home", direction=Direction.HOME)


def test_copies_are_the_value_itself() -> None:
    carried = EMPTY.pack("k", 1)
    assert copy.copy(carried) is carried
    assert copy.deepcopy([carried]) == [carried]


def test_a_pickle_shows_the_same_and_owns_nothing() -> None:
    carried = Baggage(foreign=("a=b",)).pack("k", 1).pack(HOME, 2)
    restored = pickle.loads(pickle.dumps(carried))
    assert restored.unpack("k") == (1,)
    assert restored.unpack(HOME) == (2,)
    assert restored.foreign == ("a=b",)
    assert not restored.history.own
    assert set(carried.pack("k", 3).join(restored.pack("k", 4)).unpack("k")) == {1, 3, 4}


def test_a_pickle_of_what_arrived_keeps_where_it_came_from() -> None:
    came = Baggage.deserialize(EMPTY.pack("k", 1).serialize() + b"\x2a\x01s")
    assert came.origin == "s"
    restored = pickle.loads(pickle.dumps(came))
    assert restored.origin == "s"
    assert restored.unpack("k") == (1,)


def test_garbage_that_nobody_has_read_pickles() -> None:
    garbage = encode(WireBaggage((WireBlock(7, 1, (WireEntry("k", 1, 2),)),), origin="s"))
    restored = pickle.loads(pickle.dumps(receive(garbage).pack("mine", 1)))
    assert restored.origin == "s"
    assert restored.unpack("k") == ()


def test_threads_that_write_from_one_value_lose_nothing() -> None:
    shared = EMPTY.pack("k", -1)
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda number: shared.pack("k", number), range(200)))
    joined = shared
    for carried in written:
        joined = joined.join(carried)
    assert set(joined.unpack("k")) == set(range(-1, 200))
    assert len(joined.unpack("k")) == 201


FORK = """
    import os, sys
    from baggage.values import Baggage, EMPTY
    from baggage.values.pen import taken

    carried = EMPTY.pack("k", 0)
    waiting, branch = carried.split()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        assert taken(waiting.history.pen) and taken(branch.history.pen)
        written = waiting.pack("k", 1).join(branch.pack("k", 2))
        assert set(written.history.own) != set(carried.history.own), "a root of its own"
        os.write(writer, written.serialize())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    theirs = Baggage.deserialize(os.read(reader, 1 << 16))
    ours = waiting.pack("k", 3).join(branch.pack("k", 4))
    assert set(ours.history.own) == set(carried.history.own)
    roots = set(theirs.history.seen) - set(carried.history.seen)
    fresh = {root for _ in range(200) for root in EMPTY.pack("k", 0).history.seen}
    assert roots and not roots & fresh, "no root twice"
    print(sorted(ours.join(theirs).unpack("k")))
"""


def test_a_forked_process_writes_under_roots_of_its_own() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORK)], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("[0, 1, 2, 3, 4]\n", "")
