from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from baggage.boundary import Kind
from metaapps.tracing.cli import main
from metaapps.tracing.export.file import TraceFile
from metaapps.tracing.span import Peer, Position, Span

ROOT = Position.root(bytes.fromhex("0af7651916cd43dd8448eb211c80319c"), b"server-1")
CALL = ROOT.child(b"client-1")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "trace.json"
    report = TraceFile(path).report
    shop, catalog = Peer("shop"), Peer("catalog", "127.0.0.1", 80)
    report(
        Span(
            position=CALL.child(b"client-2"),
            kind=Kind.CLIENT,
            name="GET /stock",
            timestamp=1_300,
            local=Peer("catalog"),
            remote=Peer("", "127.0.0.1", 99),
            tags={"fault.injected": "timeout"},
            error="requests.exceptions.ReadTimeout",
        )
    )
    report(
        Span(
            position=CALL,
            kind=Kind.SERVER,
            name="GET /items",
            timestamp=1_200,
            duration=2_500,
            local=catalog,
            error="503",
            shared=True,
        )
    )
    report(
        Span(
            position=CALL,
            kind=Kind.CLIENT,
            name="GET /items",
            timestamp=1_100,
            duration=2_999,
            local=shop,
            remote=catalog,
        )
    )
    report(
        Span(
            position=ROOT,
            kind=Kind.SERVER,
            name="GET /",
            timestamp=1_000,
            duration=1_500_000,
            local=shop,
        )
    )
    return path


def test_a_trace_is_shown_as_a_tree(path: Path) -> None:
    result = run("show", path)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "trace 0af7651916cd43dd8448eb211c80319c  4 spans, 2 services, 1.50 s",
        "  shop  get /  (server)  1.50 s",
        "    shop  get /items  (client -> catalog)  3 ms",
        "      catalog  get /items  (server)  2.5 ms  error: 503",
        (
            "        catalog  get /stock  (client -> 127.0.0.1:99)  unfinished  fault: timeout"
            "  error: requests.exceptions.ReadTimeout"
        ),
    ]


def test_a_span_without_its_caller_says_so(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    TraceFile(path).report(Span(position=CALL, duration=5, shared=True))
    assert run("show", path).output.splitlines()[1] == "  ?  ?  (local)  5 µs  caller missing"


def test_an_empty_file_has_no_spans(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text("[]")
    result = run("show", path)
    assert (result.exit_code, result.output) == (0, f"no spans in {path}\n")


def test_names_do_not_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    TraceFile(path).report(Span(position=ROOT, name="\x1b[2J[red]x", local=Peer("a\nb")))
    output = run("show", path).output
    assert "\x1b" not in output
    assert "[red]x" in output
    assert len(output.splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("hello", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("{}", "line 1: traceId is None, not up to 32 lower-case hex digits"),
        ("[1]", "a span is 1, not an object"),
        ('[{"id": "1"}]', "traceId is None, not up to 32 lower-case hex digits"),
    ],
)
def test_bad_input_gives_one_line_and_code_2(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "trace.json"
    path.write_text(content)
    result = run("show", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: can't show {path}: {reason}\n"


def test_a_missing_file_gives_one_line_and_code_2(tmp_path: Path) -> None:
    result = run("show", tmp_path / "nothing.json")
    assert result.exit_code == 2
    assert (
        result.stderr == f"Error: can't show {tmp_path}/nothing.json: No such file or directory\n"
    )


def test_a_terminal_without_unicode_will_do(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    TraceFile(path).report(Span(position=ROOT, name="é", duration=5))
    result = CliRunner(charset="ascii").invoke(main, ["show", str(path)])
    assert result.exit_code == 0
    assert result.output.splitlines()[1] == "  ?  ?  (local)  5 ?s"


@pytest.mark.parametrize("arguments", [["--help"], ["show", "--help"]])
def test_help_has_an_example(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert "  Example:\n    TRACING_FILE=trace.json python shop.py\n" in result.output
    assert "    tracing show trace.json\n" in result.output
