"""What Celery is built on has queues for its own ends: what it puts there is no message."""

from __future__ import annotations

import billiard

from baggage.boundary import Kind
from baggage.context import Branch, attached, pack, unpack
from baggage.instrumentation import queue as instrumentation
from baggage.testing import Recorder
from tests.instrumentation.waist import Waist


def test_what_a_worker_tells_its_pool_is_no_message() -> None:
    recorder = Recorder(kinds={Kind.PRODUCER, Kind.CONSUMER})
    with Waist(instrumentation).on() as boundary:
        boundary.register(recorder)
        pool = billiard.get_context("spawn").Pool(1)
        with attached(Branch()):
            pack("tenant", "blue")
            assert pool.apply(abs, (-1,)) == 1
            assert unpack("tenant") == ("blue",)
        pool.close()
        pool.join()
    # Threads that another test has left behind may put into queues, too.
    assert [
        crossed.call for crossed in recorder.begun if crossed.call.site.module == __name__
    ] == []
