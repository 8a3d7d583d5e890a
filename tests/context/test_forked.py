"""A forked process goes on in a branch of its own: what the parent's threads hold is not held."""

from __future__ import annotations

import subprocess
import sys
import textwrap

FORK = """
    import os, threading
    import baggage
    from baggage.context import Branch, attached, branch

    running = Branch(service="shop")
    running.pack("k", 1)
    running.notes["mine"] = "kept"
    held, done = threading.Event(), threading.Event()

    def hold(carried):
        held.set()
        done.wait(300)
        return carried

    thread = threading.Thread(target=lambda: running.update(hold))
    with attached(running):
        thread.start()
        held.wait(300)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            baggage.pack("k", 2)
            here = branch()
            assert here is not running
            assert (here.service, here.notes, here.scope) == ("shop", {"mine": "kept"}, running)
            os.write(writer, baggage.serialize())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        done.set()
        thread.join()
        running.pack("k", 3)
        baggage.join(baggage.deserialize(os.read(reader, 1 << 16)))
        print(sorted(baggage.unpack("k")))
"""


NOTHING = """
    import os
    from baggage.context import branch, current
    from baggage.values import EMPTY

    child = os.fork()
    if child == 0:
        assert branch() is None
        assert current() is EMPTY
        os._exit(0)
    print(os.waitpid(child, 0)[1])
"""


def ran(script: str) -> str:
    done = subprocess.run(
        # Python 3.12 and later warn of forks beside threads, which are what is tried.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stderr == ""
    return done.stdout


def test_it_carries_what_its_parent_did_and_can_write_whatever_a_thread_held() -> None:
    assert ran(FORK) == "[1, 2, 3]\n"


def test_it_carries_nothing_where_its_parent_carried_nothing() -> None:
    assert ran(NOTHING) == "0\n"
