from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaapps.tracing.errors import SpanError, TraceFileError
from metaapps.tracing.export import file
from metaapps.tracing.export.lines import JSON_LINES, LinesSink, decode_lines, read
from metaapps.tracing.export.reporter import Reporter
from metaapps.tracing.export.sink import Refused, Unavailable
from metaapps.tracing.span import Position, Span
from tests.tracing.export.collecting import numbered

WRITER = """
import resource, sys
from pathlib import Path
from metaapps.tracing.export.delivery import Retry
from metaapps.tracing.export.lines import JSON_LINES, LinesSink
from metaapps.tracing.export.reporter import Reporter
from metaapps.tracing.span import Position, Span

path, writer, count, limit = Path(sys.argv[1]), *map(int, sys.argv[2:])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
retry = Retry(attempts=2, first=0.001)
sink = LinesSink(path, patience=60)
reporter = Reporter(sink, JSON_LINES, interval=0.001, capacity=10**9, retry=retry)
for number in range(count):
    trace = bytes((writer + 1,)).ljust(16, b"x")
    reporter.report(Span(Position.root(trace, (number + 1).to_bytes(8, "big"))))
    if number % 100 == 0:
        reporter.flush(60)
"""


def start_writer(
    path: Path, writer: int = 0, *, count: int, limit: int = 0
) -> subprocess.Popen[bytes]:
    numbers = [str(number) for number in (writer, count, limit)]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), *numbers], env=environ)


def message(*numbers: int) -> bytes:
    return JSON_LINES.message([JSON_LINES.span(numbered(number)) for number in numbers])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trace.jsonl"


def test_each_span_is_a_line(path: Path) -> None:
    sink = LinesSink(path)
    sink.send(message(1, 2))
    sink.send(message(3))
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [
        f"{number:016x}" for number in (1, 2, 3)
    ]
    assert read(path) == (numbered(1), numbered(2), numbered(3))


@given(st.lists(st.text(), max_size=5))
def test_whatever_a_tag_holds_a_span_is_one_line(texts: list[str]) -> None:
    spans = tuple(
        Span(Position.root(b"t" * 16, b"s" * 8), tags={"tag": text, text: "tag"}) for text in texts
    )
    content = JSON_LINES.message([JSON_LINES.span(span) for span in spans]) if spans else b""
    assert content.count(b"\n") == len(spans)
    assert len(decode_lines(content)) == len(spans)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_a_message_is_as_long_as_it_says(texts: list[str]) -> None:
    spans = [text.encode("utf-8", "replace") for text in texts]
    assert len(JSON_LINES.message(spans)) == JSON_LINES.size(sum(map(len, spans)), len(spans))


def test_directories_are_made(tmp_path: Path) -> None:
    path = tmp_path / "some" / "where" / "trace.jsonl"
    LinesSink(path).send(message(1))
    assert read(path) == (numbered(1),)


def test_processes_lose_nothing_to_one_another(path: Path) -> None:
    writers = [start_writer(path, writer, count=1000) for writer in range(3)]
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            read(path)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    found = [(span.position.trace, span.position.span) for span in read(path)]
    assert len(found) == len(set(found)) == 3 * 1000


def test_a_process_that_was_killed_leaves_whole_lines_and_at_most_a_cut_one(path: Path) -> None:
    writer = start_writer(path, count=10**9)
    while not path.exists() or path.stat().st_size < 10_000:
        assert writer.poll() is None
    writer.kill()
    writer.wait()
    before = read(path)
    assert len(before) > 10
    LinesSink(path).send(message(7))
    assert read(path) == (*before, numbered(7))


@given(kept=st.integers(0, 200))
def test_a_line_that_was_cut_short_is_never_glued_to_the_next(
    tmp_path_factory: pytest.TempPathFactory, kept: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "trace.jsonl"
    whole = message(1, 2)
    path.write_bytes(whole[:kept])
    LinesSink(path).send(message(3))
    found = read(path)
    assert found[-1] == numbered(3)
    assert found[:-1] == (numbered(1), numbered(2))[: len(found) - 1]
    assert len(found) == 1 + (whole[:kept] + b"\n").count(b"}\n")


def test_a_full_disk_takes_a_message_whole_or_not_at_all(path: Path) -> None:
    writer = start_writer(path, count=300, limit=10_000)
    assert writer.wait() == 0
    content = path.read_bytes()
    assert len(content) <= 10_000
    assert content.endswith(b"}\n")
    assert len(read(path)) >= 1


def test_a_file_that_is_moved_away_or_deleted_begins_anew(path: Path) -> None:
    sink = LinesSink(path)
    sink.send(message(1))
    path.rename(path.with_suffix(".old"))
    sink.send(message(2))
    assert read(path) == (numbered(2),)
    path.unlink()
    sink.send(message(3))
    assert read(path) == (numbered(3),)
    assert read(path.with_suffix(".old")) == (numbered(1),)


@pytest.mark.parametrize(
    "content", [b"# notes\n", b"[]", b"[\n", b'{"name": "package"}', b"\x00", b"1\n", b"{}\n"]
)
def test_what_holds_something_else_is_left_untouched(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(Refused, match="left as it is"):
        LinesSink(path).send(message(1))
    assert path.read_bytes() == content


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(Refused, match="not a regular file"):
        LinesSink(fifo).send(message(1))
    with pytest.raises(TraceFileError, match="not a regular file"):
        read(fifo)


def test_a_path_that_cannot_be_written_is_for_later(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="can't be written: Not a directory"):
        LinesSink(tmp_path / "file" / "trace.jsonl").send(message(1))


def test_a_lock_that_somebody_keeps_is_waited_for_within_bounds(path: Path) -> None:
    sink = LinesSink(path, patience=0.01)
    with path.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="locked"):
            sink.send(message(1))
    sink.send(message(2))
    assert read(path) == (numbered(2),)


def test_a_reporter_writes_what_is_left_when_it_is_closed(path: Path) -> None:
    reporter = Reporter(LinesSink(path), JSON_LINES, interval=60)
    for number in range(1, 4):
        reporter.report(numbered(number))
    assert reporter.close(60)
    assert read(path) == (numbered(1), numbered(2), numbered(3))
    assert (reporter.sent, reporter.dropped) == (3, {})


def test_a_file_of_lines_is_read_like_an_array(path: Path) -> None:
    LinesSink(path).send(message(1, 2))
    lines = file.read(path)
    path.write_bytes(b"[" + message(1, 2).strip().replace(b"\n", b",") + b"]")
    assert lines == file.read(path) == (numbered(1), numbered(2))


def test_lines_that_were_cut_short_are_left_out_and_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(message(1) + b'{"traceId":"a\n\n\r\n' + message(2) + b'{"tr')
    with caplog.at_level(logging.WARNING, "metaapps.tracing"):
        assert read(path) == file.read(path) == (numbered(1), numbered(2))
    assert caplog.messages == ["lines that were cut short, and are left out: 2"] * 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello", "line 1 is no span: not JSON"),
        (message(1) + b"hello\n" + message(2), "line 2 is no span: not JSON"),
        (b"\n[]\n", "line 2: a span is [], not an object"),
        (b"{}\n", "line 1: traceId is None, not up to 32 lower-case hex digits"),
        (b'{\n "name": "package"\n}\n', "line 2 is no span: not JSON"),
        (b"\xff\xfe", "line 1 is no span: not JSON"),
    ],
)
def test_what_is_no_lines_of_spans_is_told_by_the_line(
    path: Path, content: bytes, reason: str
) -> None:
    with pytest.raises(SpanError) as raised:
        decode_lines(content)
    assert str(raised.value) == reason
    path.write_bytes(content)
    with pytest.raises(TraceFileError) as refused:
        read(path)
    assert str(refused.value) == reason
