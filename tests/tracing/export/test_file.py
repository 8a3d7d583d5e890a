from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from metaapps.tracing.errors import TraceFileError
from metaapps.tracing.export.file import TraceFile, read
from metaapps.tracing.span import Position, Span

WRITER = """
import resource, sys, threading
from pathlib import Path
from metaapps.tracing.export.file import TraceFile
from metaapps.tracing.span import Position, Span

path, writer, count, threads, limit = Path(sys.argv[1]), *map(int, sys.argv[2:])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
file = TraceFile(path, patience=60)

def write(thread):
    for number in range(count):
        trace = bytes((writer + 1, thread)).ljust(16, b"x")
        file.report(Span(position=Position.root(trace, (number + 1).to_bytes(8, "big"))))

workers = [threading.Thread(target=write, args=(thread,)) for thread in range(threads)]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
"""


def start_writer(
    path: Path, writer: int = 0, *, count: int, threads: int = 1, limit: int = 0
) -> subprocess.Popen[bytes]:
    numbers = [str(number) for number in (writer, count, threads, limit)]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), *numbers], env=environ)


def span(number: int = 1, name: str = "") -> Span:
    return Span(position=Position.root(b"t" * 16, number.to_bytes(8, "big")), name=name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trace.json"


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, logger="metaapps.tracing"):
        yield caplog


def test_the_file_is_an_array_after_every_span(path: Path) -> None:
    file = TraceFile(path)
    for number in range(1, 6):
        file.report(span(number, "é" * number))
        found = json.loads(path.read_bytes())
        assert [item["id"] for item in found] == [f"{n:016x}" for n in range(1, number + 1)]
    assert read(path) == tuple(span(number, "é" * number) for number in range(1, 6))


def test_directories_are_made(tmp_path: Path) -> None:
    path = tmp_path / "some" / "where" / "trace.json"
    TraceFile(path).report(span())
    assert read(path) == (span(),)


def test_processes_and_threads_lose_nothing_to_one_another(path: Path) -> None:
    writers = [start_writer(path, writer, count=40, threads=3) for writer in range(3)]
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            read(path)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    ids = [(item.position.trace_id, item.position.span_id) for item in read(path)]
    assert len(ids) == len(set(ids)) == 3 * 3 * 40


def test_a_killed_process_leaves_an_array(path: Path) -> None:
    writer = start_writer(path, count=10**9)
    while not path.exists() or path.stat().st_size < 10_000:
        assert writer.poll() is None
    writer.kill()
    writer.wait()
    before = len(read(path))
    TraceFile(path).report(span())
    assert len(read(path)) == before + 1


def test_a_full_disk_leaves_an_array(path: Path) -> None:
    writer = start_writer(path, count=50, limit=1_000)
    assert writer.wait() == 0
    assert 1 <= len(read(path)) < 50
    assert path.stat().st_size <= 1_000


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"[]", b"[ ]\n", b' [\n{"traceId": "a", "id": "b"}\n ] \r\n', b"[]" + b" " * 200],
)
def test_an_array_that_others_wrote_is_continued(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    before = len(read(path))
    TraceFile(path).report(span(1))
    TraceFile(path).report(span(2))
    assert read(path)[before:] == (span(1), span(2))


@pytest.mark.parametrize(
    "content",
    [
        b"# notes\n",
        b"{}",
        b"[1, 2]",
        b'[{"a": 1}]',
        b'[{"traceId": "a", "id": "b"}',
        b'[{"traceId": "a", "id": "b"}]]',
        b"\x00\xff",
        b"\xef\xbb\xbf[]",
    ],
)
def test_what_is_no_array_of_spans_is_left_untouched(
    path: Path, content: bytes, said: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)
    file = TraceFile(path)
    file.report(span(1))
    file.report(span(2))
    assert path.read_bytes() == content
    assert len(said.messages) == 1
    assert f"{path} is left as it is" in said.messages[0]


def test_a_file_that_changes_into_something_else_is_left_untouched(
    path: Path, said: pytest.LogCaptureFixture
) -> None:
    file = TraceFile(path)
    file.report(span())
    content = path.read_bytes() + b"and more than that\n"
    path.write_bytes(content)
    file.report(span())
    assert path.read_bytes() == content
    assert len(said.messages) == 1


def test_a_file_that_is_replaced_is_checked_again(
    path: Path, said: pytest.LogCaptureFixture
) -> None:
    file = TraceFile(path)
    file.report(span())
    path.unlink()
    path.write_text('["a list that is longer than what was there before", {}]' + " " * 200)
    content = path.read_bytes()
    file.report(span())
    assert path.read_bytes() == content
    assert len(said.messages) == 1


def test_a_file_that_is_moved_away_begins_anew(path: Path) -> None:
    file = TraceFile(path)
    file.report(span(1))
    path.rename(path.with_suffix(".old"))
    file.report(span(2))
    assert read(path.with_suffix(".old")) == (span(1),)
    assert read(path) == (span(2),)


def test_what_is_no_regular_file_is_refused(tmp_path: Path, said: pytest.LogCaptureFixture) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    TraceFile(fifo).report(span())
    assert "not a regular file" in said.messages[0]
    with pytest.raises(TraceFileError, match="not a regular file"):
        read(fifo)


def test_a_path_that_cannot_be_written_is_told_once(
    tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    file = TraceFile(tmp_path / "file" / "trace.json")
    file.report(span(1))
    file.report(span(2))
    assert len(said.messages) == 1
    assert "spans are lost" in said.messages[0]


def test_a_lock_that_is_kept_costs_spans_and_not_the_application(
    path: Path, said: pytest.LogCaptureFixture
) -> None:
    file = TraceFile(path, patience=0.01)
    with path.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        file.report(span(1))
        file.report(span(2))
    assert len(said.messages) == 1
    assert "somebody else keeps it locked" in said.messages[0]
    file.report(span(3))
    assert read(path) == (span(3),)


def test_threads_share_one_object(path: Path) -> None:
    file = TraceFile(path, patience=60)
    threads = [
        threading.Thread(target=file.report, args=(span(number),)) for number in range(1, 17)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = sorted(read(path), key=lambda each: each.position.raw)
    assert written == [span(number) for number in range(1, 17)]
