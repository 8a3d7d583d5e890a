"""Who works elsewhere is known to be there for as long as it is, and nobody else is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from metaapps.filibuster.workers.attendance import Attendance
from metaapps.filibuster.workers.forking import ClosedError, WorkerDiedError
from tests.filibuster.shell import wait_until


@pytest.fixture
def attendance() -> Iterator[Attendance]:
    with closing(Attendance("127.0.0.1")) as attendance:
        yield attendance


def test_who_comes_in_vain_does_not_make_work_look_deserted(attendance: Attendance) -> None:
    ticket = attendance.ticket()
    with ticket.attended():
        with pytest.raises(WorkerDiedError), ticket.attended():
            pass
        wait_until(lambda: attendance._known[ticket.name].here == 1)
        assert attendance.deserted(ticket) == 0
    wait_until(lambda: attendance.deserted(ticket) > 0)


def test_strangers_do_not_attend(attendance: Attendance) -> None:
    ticket = attendance.ticket()
    for other in (replace(ticket, signature="é"), replace(ticket, name="x" * 500)):
        with pytest.raises(ClosedError), other.attended():
            pass
    with ticket.attended():
        assert attendance.deserted(ticket) == 0
