"""What the analysis finds in services, and how it refuses what it can't read."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaapps.filibuster.analyze import AnalyzeError, Found, analyze, document, write
from metaapps.filibuster.catalogue import load_analysis
from metaapps.filibuster.observation import Observation, Role

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "analyze_corpus"
UNHANDLED = {500, "UNKNOWN"}
Answer = tuple[str, int | str]

FLASK = "from flask import Flask, abort\napp = Flask('x')\n@app.get('/')\n"


@pytest.fixture(scope="module")
def corpus() -> dict[str, Found]:
    return {found.service.name: found for found in analyze(CORPUS / "services")}


def expected() -> dict[str, dict[str, Any]]:
    return tomllib.loads((CORPUS / "expected.toml").read_text())


def answered(found: Found) -> set[int | str]:
    answers: set[int | str] = {*found.answers.statuses, *found.answers.codes}
    return answers - UNHANDLED


def compare(corpus: dict[str, Found]) -> tuple[int, set[Answer], set[Answer]]:
    """Return how many answers are right, which are wrong, and which are missing."""
    want = {
        (name, answer)
        for name, each in expected().items()
        for answer in (*each.get("statuses", ()), *each.get("codes", ()))
    }
    got = {(name, answer) for name, found in corpus.items() for answer in answered(found)}
    return len(want & got), got - want, want - got


def test_the_answers_of_the_corpus_are_found_but_for_known_ones(corpus: dict[str, Found]) -> None:
    _, wrong, missing = compare(corpus)
    assert wrong == {("switches", 502)}
    assert missing == {("settings", 418)}


def test_the_docs_tell_the_precision_and_recall_on_the_corpus(corpus: dict[str, Found]) -> None:
    right, wrong, missing = compare(corpus)
    text = (ROOT / "docs" / "analysis.md").read_text()
    precision = 100 * right / (right + len(wrong))
    recall = 100 * right / (right + len(missing))
    numbers = f"| {len(expected())} | {right + len(missing)} | {right} | {len(wrong)} | "
    assert f"{numbers}{len(missing)} | {precision:.1f}% | {recall:.1f}% |" in text


def test_the_docs_show_files_that_can_be_read(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "analysis.md").read_text()
    shown = re.findall(r"^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert shown
    for example in shown:
        (tmp_path / "analysis.json").write_text(example)
        assert load_analysis(tmp_path / "analysis.json").entries


def test_what_serves_is_told_from_what_is_shared(corpus: dict[str, Found]) -> None:
    serving = {name for name, found in corpus.items() if found.serves}
    assert serving == {name for name, each in expected().items() if each.get("serves", True)}


def test_only_what_is_decided_at_run_time_is_noted(corpus: dict[str, Found]) -> None:
    noted = {name for name, found in corpus.items() if found.answers.notes}
    assert noted == {name for name, each in expected().items() if each.get("unknown")}


def test_every_answer_has_a_place_that_is_there(corpus: dict[str, Found]) -> None:
    for found in corpus.values():
        for sites in (*found.answers.statuses.values(), *found.answers.codes.values()):
            assert sites
            for site in sites:
                path = next(path for path in CORPUS.rglob("*.py") if str(path).endswith(site.file))
                assert 1 <= site.line <= len(path.read_text().splitlines())


def test_an_answer_is_placed_where_it_is_given(corpus: dict[str, Found]) -> None:
    lines = (CORPUS / "services/shop/app.py").read_text().splitlines()
    found = corpus["shop"].answers.statuses
    told = {status: lines[sites[0].line - 1].strip() for status, sites in found.items()}
    assert told[404] == "stop(404)"
    assert told[503] == 'return "busy", BUSY'
    assert told[415] == 'return Response("json please", status=415)'
    assert told[423] == "answer.status_code = 423"


def services(path: Path, **sources: str) -> Path:
    for name, source in sources.items():
        (path / name).mkdir(parents=True)
        (path / name / "app.py").write_text(source)
    return path


def observed(target: str, library: str = "requests", timeout: float | None = 1.0) -> Observation:
    return Observation(
        role=Role.CALL,
        index=b"1",
        parent=b"0",
        position=0,
        target=target,
        library=library,
        method="get",
        operation="/pkg.S/M",
        timeout=timeout,
    )


def test_what_is_written_is_what_the_reader_takes(tmp_path: Path, corpus: dict[str, Found]) -> None:
    file = tmp_path / "analysis.json"
    write(file, document(corpus.values()))
    catalogue = load_analysis(file)
    faults = [str(fault) for fault in catalogue.faults_for(observed("shop"))]
    statuses = [f"status {code}" for code in (404, 410, 415, 422, 423, 500, 503, 507)]
    assert faults == ["refused", "timeout", *statuses]
    assert "timeout" not in [str(f) for f in catalogue.faults_for(observed("shop", timeout=None))]
    codes = [f.status for f in catalogue.faults_for(observed("orders_rpc", "grpc"))]
    assert codes == [14, 4, 3, 8, 2]


RPC = """
import grpc

def count(item, context):
    if not item:
        context.abort(grpc.StatusCode.NOT_FOUND, "nothing")
    return b"3"

class Depot:
    def fill(self, items, context):
        context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
        yield b""

methods = {
    "Count": grpc.unary_unary_rpc_method_handler(count),
    "Fill": grpc.stream_stream_rpc_method_handler(Depot().fill),
}
handler = grpc.method_handlers_generic_handler("pkg.Stock", methods)
"""


def test_handlers_of_rpcs_need_no_generated_code(tmp_path: Path) -> None:
    (found,) = analyze(services(tmp_path, stock=RPC))
    assert found.answers.serves_grpc
    assert answered(found) == {"NOT_FOUND", "RESOURCE_EXHAUSTED"}


def test_clients_have_the_exceptions_of_the_libraries_that_are_imported(tmp_path: Path) -> None:
    plain = services(tmp_path / "a", one=FLASK + "def f(): return ''\n")
    assert set(document(analyze(plain))) == {"http"}
    both = services(
        tmp_path / "b",
        one="import requests\n" + FLASK + "def f(): return ''\n",
        two="from aiohttp import ClientSession\n" + FLASK + "def f(): return ''\n",
    )
    content = document(analyze(both))
    assert set(content) == {"python.requests", "python.aiohttp", "http"}
    assert re.match(content["http"]["pattern"], "aiohttp.get")
    assert not re.match(content["http"]["pattern"], "httpx.get")


def test_a_service_is_not_taken_for_one_whose_name_begins_alike(tmp_path: Path) -> None:
    source = FLASK + "def f(): abort({})\n"
    place = services(tmp_path, foo=source.format(409), foo_2=source.format(410))
    file = tmp_path / "analysis.json"
    write(file, document(analyze(place)))
    statuses = {
        name: [fault.status for fault in load_analysis(file).faults_for(observed(name))]
        for name in ("foo", "foo_2")
    }
    assert statuses == {"foo": [409, 500], "foo_2": [410, 500]}


def test_chosen_services_go_by_the_names_they_run_by(tmp_path: Path) -> None:
    place = services(tmp_path, foo=FLASK + "def f(): abort(409)\n", bar="not python at all (")
    found = analyze(place, ("primary=foo", "replica=foo"))
    assert [(each.service.name, answered(each)) for each in found] == [
        ("primary", {409}),
        ("replica", {409}),
    ]


def test_nothing_of_a_service_is_run(tmp_path: Path) -> None:
    evil = "open('ran', 'w')\nraise SystemExit\n"
    found = analyze(services(tmp_path, foo=FLASK + "def f(): abort(409)\n" + evil))
    assert answered(found[0]) == {409}
    assert not list(tmp_path.rglob("ran"))
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def f(:\n", "foo/app.py:1: not Python"),
        ("\0", "foo/app.py.*not Python"),
        ("(" * 5000, "not Python"),
        ("x = 1\n", "nothing in foo answers requests"),
    ],
)
def test_what_is_no_service_is_one_line_with_its_place(
    tmp_path: Path, source: str, complaint: str
) -> None:
    with pytest.raises(AnalyzeError, match=complaint) as caught:
        analyze(services(tmp_path, foo=source))
    assert "\n" not in str(caught.value)


def test_a_source_in_no_known_encoding_is_refused(tmp_path: Path) -> None:
    place = services(tmp_path, foo="")
    (place / "foo" / "app.py").write_bytes(b"name = '\xff'\n")
    with pytest.raises(AnalyzeError, match=r"foo/app\.py.*not Python"):
        analyze(place)


def test_a_directory_without_services_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalyzeError, match="no such directory"):
        analyze(tmp_path / "none")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "x.py").touch()
    (tmp_path / "readme").mkdir()
    with pytest.raises(AnalyzeError, match="no service here"):
        analyze(tmp_path)
    with pytest.raises(AnalyzeError, match="correct --service foo"):
        analyze(tmp_path, ("foo",))


def test_a_file_that_cannot_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(AnalyzeError, match="No such file"):
        write(tmp_path / "none" / "analysis.json", {})
    with pytest.raises(AnalyzeError, match="directory"):
        write(tmp_path, {})
    file = tmp_path / "analysis.json"
    file.write_text("before")
    with pytest.raises(TypeError):
        write(file, {"not json": object()})
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["analysis.json"]


_PIECES = [
    node
    for path in sorted((CORPUS / "services").rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.stmt)
]


@given(chosen=st.lists(st.sampled_from(_PIECES), min_size=1, max_size=12))
def test_any_program_is_analyzed_or_refused(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[ast.stmt]
) -> None:
    source = "\n".join(ast.unparse(node) for node in chosen)
    place = services(tmp_path_factory.mktemp("any"), foo=source)
    with suppress(AnalyzeError):
        assert json.dumps(document(analyze(place)))
