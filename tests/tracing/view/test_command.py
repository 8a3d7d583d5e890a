"""`tracing view`, and `tracing show` where it reads the same sources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

import pytest
from click.testing import CliRunner, Result

from metaapps.tracing.cli import main
from metaapps.tracing.cli.source import address
from metaapps.tracing.export import zipkin as v2
from metaapps.tracing.export.file import TraceFile
from tests.tracing.view import samples
from tests.tracing.zipkin_server import Zipkin

TRACE: Final = samples.TRACE.hex()
CHECKOUT: Final = [json.loads(v2.encode(span)) for span in samples.checkout()]


class _Answers(BaseHTTPRequestHandler):
    """What a Zipkin server says."""

    asked: Final[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["b3"]))
        bodies = {
            "/api/v2/traces?limit=10": [CHECKOUT],
            f"/api/v2/trace/{TRACE}": CHECKOUT,
            "/odd/api/v2/traces?limit=10": {"no": "array"},
        }
        if self.path.startswith("/endless"):
            self._answer_for_ever()
            return
        body = bodies.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(b"<html>" if body is None else json.dumps(body).encode())

    def _answer_for_ever(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(ConnectionError):
            while True:
                self.wfile.write(b"[" * 65_536)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    _Answers.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spans.json"
    report = TraceFile(path).report
    for span in samples.proxy():
        report(span)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_file_becomes_a_page(file: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run("view", file, "-o", page)
    assert (result.exit_code, result.output) == (0, f"{page}\n")
    text = page.read_text(encoding="utf-8")
    assert "<title>spans.json</title>" in text
    assert TRACE in text


def test_the_page_is_trace_html_unless_named(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("view", file.name).output == "trace.html\n"
    assert Path("trace.html").exists()


def test_json_lines_are_a_source_too(tmp_path: Path) -> None:
    lines, page = tmp_path / "spans.jsonl", tmp_path / "page.html"
    lines.write_bytes(b"".join(v2.encode(span) + b"\n" for span in samples.proxy()))
    assert run("view", lines, "-o", page).exit_code == 0
    assert "object-server" in page.read_text(encoding="utf-8")


def test_a_server_is_asked_for_its_latest_traces_outside_of_any_trace(
    server: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert run("view", server, "-o", page).exit_code == 0
    assert _Answers.asked == [("/api/v2/traces?limit=10", "0")]
    assert "post /charge" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("_MOST", 2**20, "more than 1 MiB came; ask for less by --limit"),
        ("_PATIENCE", 0.0, "it takes longer than 0 s; ask for less by --limit"),
    ],
)
def test_a_server_that_never_stops_answering_is_left(
    server: str, monkeypatch: pytest.MonkeyPatch, limit: str, value: float, reason: str
) -> None:
    monkeypatch.setattr(f"{address.__module__}.{limit}", value)
    result = run("show", f"{server}/endless")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: can't show {server}/endless: {reason}\n"


def test_a_scheme_may_be_in_capitals(server: str) -> None:
    assert run("show", server.replace("http", "HTTP")).exit_code == 0


def test_who_forgets_the_scheme_is_told() -> None:
    told = "No such file or directory; a server is http://localhost:9411"
    assert run("show", "localhost:9411").stderr == f"Error: can't show localhost:9411: {told}\n"


def test_a_trace_of_a_server_is_shown(server: str) -> None:
    result = run("show", f"{server}/zipkin/traces/{TRACE}")
    assert result.exit_code == 0
    assert result.output.startswith(f"trace {TRACE}  16 spans, 6 services, 231 ms\n")
    assert _Answers.asked == [(f"/api/v2/trace/{TRACE}", "0")]


def test_an_errors_message_is_left_to_the_page(server: str) -> None:
    output = run("show", server, "--trace", TRACE).output
    assert "  fault: timeout  error: requests.exceptions.ReadTimeout\n" in output


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("http://host", "http://host/api/v2/traces?limit=7"),
        ("http://host:9411/", "http://host:9411/api/v2/traces?limit=7"),
        ("http://host/zipkin/", "http://host/api/v2/traces?limit=7"),
        ("http://host/zipkin/?serviceName=a", "http://host/api/v2/traces?limit=7"),
        ("http://host/api/v2", "http://host/api/v2/traces?limit=7"),
        ("https://host/deep/zipkin", "https://host/deep/api/v2/traces?limit=7"),
        ("http://host/zipkin/traces/1f", "http://host/api/v2/trace/1f"),
        ("http://host/deep/zipkin/traces/1f#x", "http://host/deep/api/v2/trace/1f"),
        ("http://host/api/v2/trace/1f", "http://host/api/v2/trace/1f"),
        ("http://host/api/v2/traces?serviceName=a", "http://host/api/v2/traces?serviceName=a"),
        ("http://host/api/v2/traceMany?traceIds=1,2", "http://host/api/v2/traceMany?traceIds=1,2"),
    ],
)
def test_urls_of_people_and_of_programs_are_understood(source: str, asked: str) -> None:
    assert address(source, 7) == asked


def test_one_trace_is_asked_for_alone() -> None:
    assert address("http://host/zipkin", 7, "1f") == "http://host/api/v2/trace/1f"


def test_a_trace_is_picked_by_its_id_however_short(file: Path) -> None:
    sample = samples.Sample(bytes(15) + b"\x1f")
    sample.span(0, None, "shop", "work", 0, 5)
    TraceFile(file).report(sample.spans[0])
    assert len(run("show", file).output.split("trace ")) == 3
    result = run("show", file, "--trace", "1F")
    assert result.output.startswith(f"trace {'1f':0>32}")
    assert len(result.output.splitlines()) == 2


@pytest.mark.parametrize("command", ["show", "view"])
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{server}/nowhere", "the server says 404 Not Found"),
        ("{server}/odd", "the answer is no JSON array"),
        ("{server}/api/v2/traces/?", "the server says 404 Not Found"),
        ("http://127.0.0.1:1", "Connection refused"),
        ("http://127.0.0.1:x", "nonnumeric port: 'x'"),
        ("http://", "this URL names no host"),
        ("http://[", "Invalid IPv6 URL"),
        ("nothing.json", "No such file or directory"),
    ],
)
def test_a_bad_source_gives_one_line_and_code_2(
    server: str, tmp_path: Path, command: str, source: str, reason: str
) -> None:
    source = source.format(server=server)
    result = run(command, source)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: can't show {source}: {reason}\n"


def test_a_trace_that_is_not_there_gives_one_line_and_code_2(file: Path) -> None:
    result = run("view", file, "--trace", "ab")
    assert (result.exit_code, result.stderr) == (2, f"Error: no trace ab in {file}\n")


def test_a_page_that_can_not_be_written_gives_one_line_and_code_2(
    file: Path, tmp_path: Path
) -> None:
    page = tmp_path / "none" / "page.html"
    result = run("view", file, "-o", page)
    assert result.exit_code == 2
    assert result.stderr == f"Error: can't write {page}: No such file or directory\n"


def test_the_page_is_opened_when_asked_for(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    page = tmp_path / "page.html"
    run("view", file, "-o", page, "--open")
    assert opened == [page.as_uri()]


def test_a_real_server_is_a_source(zipkin: Zipkin, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert zipkin.post(json.dumps(CHECKOUT).encode()).status == 202
    zipkin.trace(TRACE, spans=len(CHECKOUT))
    for source in (f"{zipkin.url}/zipkin/traces/{TRACE}", f"{zipkin.url}/zipkin/"):
        result = run("view", source, "--trace", TRACE, "-o", page)
        assert (result.exit_code, result.stderr) == (0, "")
        assert "post /charge" in page.read_text(encoding="utf-8")
