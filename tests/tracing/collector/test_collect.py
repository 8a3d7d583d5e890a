"""`tracing collect`, as a process that people start and end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from click.testing import CliRunner

from metaapps.tracing.cli import main
from tests.tracing.zipkin_server import Zipkin

SPAN = (
    b'{"traceId":"0000000000000abc","id":"0000000000000001","name":"get /","timestamp":1000,'
    b'"duration":500,"localEndpoint":{"serviceName":"shop"},"tags":{"error":"x"}}'
)
CHILD = b'{"traceId":"0000000000000abc","parentId":"0000000000000001","id":"0000000000000002"}'
TRACE = "trace 0000000000000abc"
_COLLECT = "from metaapps.tracing.cli import main; main()"


@contextlib.contextmanager
def _collecting(*options: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Run a collector on a free port; gives it, and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", _COLLECT, "collect", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    with process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            yield process, said.rpartition("TRACING_URL=")[2].strip()
        finally:
            process.kill()


def _ended(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, and return what was said after the first line."""
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=300)
    assert (process.returncode, complaints) == (0, "")
    return said


def test_it_says_where_it_listens_and_how_each_trace_grows() -> None:
    with _collecting() as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert Zipkin(url).post(b"[" + SPAN + b"]").status == 202
        assert Zipkin(url).post(b"[" + SPAN + b"," + CHILD + b"]").status == 202
        assert Zipkin(url).post(b"[" + SPAN + b"]").status == 202
        assert Zipkin(url).post(b"[{}]").status == 400
        page = f"{url}/zipkin/traces/0000000000000abc"
        assert _ended(process).splitlines() == [
            f"{TRACE}  1 span, 1 service, 0.5 ms  1 error  {page}",
            f"{TRACE}  2 spans, 1 service, 0.5 ms  1 error  {page}",
            "stopped",
        ]


def test_it_says_that_it_had_to_drop_traces() -> None:
    name = b"x" * (9 << 20)
    with _collecting() as (process, url):
        for at in range(15):
            message = b'[{"traceId":"%d","id":"1","name":"%s"}]' % (at + 1, name)
            assert Zipkin(url).post(message).status == 202
        said = _ended(process)
    assert said.count("memory is full: 1 trace dropped so far, the oldest\n") == 1


def test_a_file_keeps_spans_for_the_next_time(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    with _collecting("--file", str(file)) as (process, url):
        Zipkin(url).post(b"[" + SPAN + b"," + CHILD + b"]")
        _ended(process)
    assert file.read_bytes() == SPAN + b"\n" + CHILD + b"\n"
    with _collecting("--file", str(file)) as (process, url):
        assert Zipkin(url).trace("abc", spans=2) == b"[" + SPAN + b"," + CHILD + b"]"
        Zipkin(url).post(b"[" + SPAN + b"]")
        _ended(process)
    assert file.read_bytes() == SPAN + b"\n" + CHILD + b"\n"


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("milk\n")
    refused = CliRunner().invoke(main, ["collect", "--port", "0", "--file", str(file)])
    assert refused.exit_code == 2
    assert "holds no spans, one a line" in refused.output
    assert file.read_text() == "milk\n"


def test_a_file_that_cannot_be_written_is_told() -> None:
    refused = CliRunner().invoke(main, ["collect", "--port", "0", "--file", "/dev/null/x"])
    assert refused.exit_code == 2
    assert refused.output == "Error: can't keep spans in /dev/null/x: Not a directory\n"


def test_a_port_in_use_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = CliRunner().invoke(main, ["collect", "--port", port])
    assert refused.exit_code == 2
    assert refused.output == f"Error: can't listen at 127.0.0.1:{port}: Address already in use\n"


def test_help_has_an_example() -> None:
    told = CliRunner().invoke(main, ["collect", "--help"])
    assert told.exit_code == 0
    assert "TRACING_URL=http://127.0.0.1:9411" in told.output


def test_a_file_that_can_not_be_written_is_no_reason_to_refuse_spans(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    with _collecting("--file", str(file)) as (process, url):
        file.unlink()
        file.mkdir()
        assert Zipkin(url).post(b"[" + SPAN + b"]").status == 202
        assert Zipkin(url).post(b"[" + CHILD + b"]").status == 202
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=300)
    assert (process.returncode, said.count(TRACE)) == (0, 2)
    reason = "Is a directory"
    assert complaints == f"spans are missing there, {file} can't be written: {reason}\n"


def test_it_takes_spans_when_nobody_reads_what_it_says() -> None:
    with _collecting() as (process, url):
        assert process.stdout is not None
        process.stdout.close()
        assert Zipkin(url).post(b"[" + SPAN + b"]").status == 202
        assert Zipkin(url).post(b"[" + CHILD + b"]").status == 202
        assert Zipkin(url).trace("abc", spans=2) == b"[" + SPAN + b"," + CHILD + b"]"
