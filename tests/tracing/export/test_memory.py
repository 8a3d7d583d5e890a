from __future__ import annotations

import threading

from metaapps.tracing.export.memory import Memory
from tests.tracing.export.collecting import numbered


def test_spans_are_kept_in_order_until_they_are_forgotten() -> None:
    memory = Memory()
    for number in (1, 2):
        memory.report(numbered(number))
    assert list(memory.spans) == [numbered(1), numbered(2)]
    memory.clear()
    assert list(memory.spans) == []
    memory.report(numbered(3))
    assert list(memory.spans) == [numbered(3)]


def test_what_was_seen_does_not_change_with_what_follows() -> None:
    memory = Memory()
    memory.report(numbered(1))
    seen = memory.spans
    memory.report(numbered(2))
    assert seen == (numbered(1),)


def test_it_keeps_so_many_and_counts_the_others() -> None:
    memory = Memory(capacity=2)
    for number in range(1, 6):
        memory.report(numbered(number))
    assert list(memory.spans) == [numbered(1), numbered(2)]
    assert memory.dropped == {"queue full": 3}
    assert memory.dropped == {"queue full": 3}
    memory.clear()
    memory.report(numbered(6))
    assert list(memory.spans) == [numbered(6)]


def test_threads_report_to_one_memory() -> None:
    memory = Memory()

    def report(first: int) -> None:
        for number in range(first, first + 500):
            memory.report(numbered(number))

    threads = [threading.Thread(target=report, args=(1 + 500 * each,)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(memory.spans, key=lambda span: span.position.raw) == [
        numbered(number) for number in range(1, 4001)
    ]


def test_nothing_is_left_to_flush_or_close() -> None:
    memory = Memory()
    assert memory.flush()
    assert memory.close()
    memory.report(numbered(1))
    assert (memory.spans, memory.dropped) == ((numbered(1),), {})
