"""Which faults fit which calls, and what an analysis file may say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue import (
    DEFAULT,
    AnalysisError,
    Catalogue,
    Entry,
    load_analysis,
    parse_rule,
)
from metaapps.filibuster.catalogue.expression import ExpressionError, parse
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.status import grpc_code, shown_fault, shown_status

REFUSED = Fault(FaultKind.REFUSED)
TIMEOUT = Fault(FaultKind.TIMEOUT)


def status(code: int) -> Fault:
    return Fault(FaultKind.STATUS, status=code)


def observed(
    target: str = "bar",
    library: str = "requests",
    method: str = "get",
    timeout: float | None = None,
    operation: str = "",
) -> Observation:
    return Observation(
        role=Role.CALL,
        index=b"1",
        parent=b"0",
        position=0,
        target=target,
        library=library,
        method=method,
        operation=operation,
        timeout=timeout,
    )


def written(path: Path, content: object) -> Path:
    file = path / "analysis.json"
    file.write_text(json.dumps(content))
    return file


ANALYSIS = {
    "http": {
        "pattern": "requests\\.(get|put|post|delete|head)",
        "errors": [
            {"service_name": "bar", "types": [{"return_value": {"status_code": "503"}}]},
            {"service_name": ".*", "types": [{"return_value": {"status_code": "500"}}]},
        ],
    },
    "python.requests": {
        "pattern": "requests\\.(get|put|post|delete|head)",
        "exceptions": [
            {"name": "requests.exceptions.ConnectionError"},
            {
                "name": "requests.exceptions.Timeout",
                "restrictions": "timeout",
                "metadata": {"sleep": "@expr(metadata['timeout'])+0.001", "abort": False},
            },
            {"name": "requests.exceptions.SSLError", "restrictions": "ssl"},
            {"name": "requests.exceptions.TooManyRedirects"},
        ],
    },
    "python.grpc": {
        "pattern": "grpc\\.",
        "exceptions": [
            {"name": "grpc._channel._InactiveRpcError", "metadata": {"code": "UNAVAILABLE"}}
        ],
    },
    "grpc": {
        "pattern": "grpc\\.",
        "errors": [
            {
                "service_name": ".*",
                "types": [{"exception": {"metadata": {"code": "NOT_FOUND"}}}],
            }
        ],
    },
}


def test_a_call_with_a_timeout_can_time_out_and_another_cannot() -> None:
    servers = (status(500), status(502), status(503))
    assert DEFAULT.faults_for(observed(timeout=0.5)) == (REFUSED, TIMEOUT, *servers)
    assert DEFAULT.faults_for(observed(timeout=None)) == (REFUSED, *servers)


def test_a_timeout_of_zero_is_one_that_was_set() -> None:
    assert TIMEOUT in DEFAULT.faults_for(observed(timeout=0.0))


def test_a_library_without_entries_has_no_faults() -> None:
    assert DEFAULT.faults_for(observed(library="requestsx")) == ()
    assert DEFAULT.faults_for(observed(library="asyncio", method="create_task")) == ()


@pytest.mark.parametrize("library", ["aiohttp", "httpx", "httpx2", "urllib3", "http.client"])
def test_every_http_client_meets_the_faults_of_requests(library: str) -> None:
    for timeout in (None, 1.0):
        expected = DEFAULT.faults_for(observed(timeout=timeout))
        assert DEFAULT.faults_for(observed(library=library, timeout=timeout)) == expected


@pytest.mark.parametrize("library", ["grpc", "grpc.aio"])
def test_grpc_meets_its_usual_codes(library: str) -> None:
    call = observed(library=library, method="Get", operation="/shop.Stock/Get")
    codes = [grpc_code(library, fault.status) for fault in DEFAULT.faults_for(call)]
    assert codes == ["UNAVAILABLE", "DEADLINE_EXCEEDED", "NOT_FOUND", "INTERNAL"]


def test_a_code_of_grpc_is_shown_by_its_name_and_a_status_of_http_by_its_number() -> None:
    unavailable = Fault(FaultKind.STATUS, status=14)
    assert shown_fault("grpc", replace(unavailable, late=True)) == "UNAVAILABLE late"
    assert [shown_fault(library, unavailable) for library in ("grpc", "grpc.aio", "requests")] == [
        "UNAVAILABLE",
        "UNAVAILABLE",
        "status 14",
    ]
    assert (shown_status("grpc", 5), shown_status("flask", 404)) == ("NOT_FOUND", "404")
    assert shown_status("grpc", 99) == "99"


def test_a_fault_that_fits_twice_is_tried_once() -> None:
    entry = Entry(re.compile(""), REFUSED)
    assert Catalogue((entry, entry)).faults_for(observed()) == (REFUSED,)


def test_exceptions_come_before_statuses_wherever_they_stand_in_the_file(tmp_path: Path) -> None:
    catalogue = load_analysis(written(tmp_path, ANALYSIS))
    other = Fault(FaultKind.RAISE, name="requests.exceptions.TooManyRedirects")
    assert catalogue.faults_for(observed(timeout=1.0)) == (
        REFUSED,
        TIMEOUT,
        other,
        status(503),
        status(500),
    )


def test_a_service_has_its_own_statuses_and_those_of_all(tmp_path: Path) -> None:
    catalogue = load_analysis(written(tmp_path, ANALYSIS))
    assert status(503) in catalogue.faults_for(observed("bar"))
    assert status(503) not in catalogue.faults_for(observed("foo"))
    assert status(500) in catalogue.faults_for(observed("foo"))


def test_a_method_that_the_pattern_leaves_out_has_no_faults(tmp_path: Path) -> None:
    catalogue = load_analysis(written(tmp_path, ANALYSIS))
    assert catalogue.faults_for(observed(method="options")) == ()


def test_grpc_codes_are_told_by_number(tmp_path: Path) -> None:
    catalogue = load_analysis(written(tmp_path, ANALYSIS))
    assert catalogue.faults_for(observed(library="grpc", method="x")) == (status(14), status(5))


def section(**content: object) -> dict[str, object]:
    return {"http": {"pattern": "x", **content}}


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ([], "analysis.json"),
        ({}, "analysis.json"),
        ({"http": 1}, "http"),
        (section(errors=[{"service_name": ".*", "types": [{}]}]), "types[0]"),
        ({"python.x": {"exceptions": [{"name": "X"}]}}, '"pattern"'),
        ({"python.x": {"pattern": "(", "exceptions": [{"name": "X"}]}}, "python.x.pattern"),
        (section(exceptions={}), "http.exceptions"),
        (section(exceptions=[{}]), "http.exceptions[0]"),
        (section(exceptions=[{"name": 3}]), "http.exceptions[0].name"),
        (section(exceptions=[{"name": "X", "restrictions": 1}]), "restrictions"),
        (section(exceptions=[{"name": "X", "metadata": []}]), "metadata"),
        (section(exceptions=[{"name": "X", "metadata": {"code": "NO"}}]), "metadata.code"),
        (section(errors=[{"types": []}]), "service_name"),
        (section(errors=[{"service_name": "*", "types": []}]), "service_name"),
        (
            section(
                errors=[{"service_name": "a", "types": [{"return_value": {"status_code": "70"}}]}]
            ),
            "status_code",
        ),
        (
            section(errors=[{"service_name": "a", "types": [{"return_value": {}}]}]),
            "status_code",
        ),
        (
            section(errors=[{"service_name": "a", "types": [{"exception": {}}]}]),
            "types[0].exception",
        ),
    ],
)
def test_a_wrong_shape_is_one_line_that_names_the_place(
    tmp_path: Path, content: object, place: str
) -> None:
    with pytest.raises(AnalysisError) as caught:
        load_analysis(written(tmp_path, content))
    message = str(caught.value)
    assert place in message
    assert "analysis.json" in message
    assert "\n" not in message


def test_a_missing_file_and_one_that_is_not_json_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="No such file"):
        load_analysis(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(AnalysisError, match="not JSON"):
        load_analysis(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AnalysisError, match="not JSON"):
        load_analysis(broken)


_NAMES = ("pattern", "exceptions", "errors", "name", "types", "service_name", "return_value")
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(_NAMES),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(content=_VALUES)
def test_any_json_is_a_catalogue_or_one_kind_of_error(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    path = written(tmp_path_factory.mktemp("analysis"), {"http": content})
    with suppress(AnalysisError):
        assert load_analysis(path).entries


def catalogue_of(entry: Mapping[str, object], path: Path) -> Catalogue:
    return load_analysis(written(path, {"x": {"pattern": "requests", "exceptions": [entry]}}))


def slept(path: Path, text: object, timeout: float | None) -> object:
    entry = {"name": "requests.exceptions.Timeout", "metadata": {"sleep": text, "abort": False}}
    catalogue = catalogue_of(entry, path)
    call = observed(timeout=timeout)
    assert (TIMEOUT in catalogue.faults_for(call)) == bool(catalogue.metadata_for(TIMEOUT, call))
    return catalogue.metadata_for(TIMEOUT, call).get("sleep")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("@expr(metadata['timeout'])", 2.0),
        ("@expr(metadata['timeout'])-1", 1.0),
        ("@expr(metadata['timeout'])+1", 3.0),
        ("@expr(metadata['timeout'])+0.001", 2.001),
        ("@expr(metadata['timeout']-1)", 1.0),
        ('@expr(metadata["timeout"]+1)', 3.0),
        ("@expr( (metadata['timeout'] + 1) * 2 / .5 )", 12.0),
        ("@expr(2 - 3 - -4)", 3.0),
        ("@expr(metadata['timeout'])-5", 0.0),
        (0.25, 0.25),
        (3, 3),
    ],
)
def test_a_sleep_is_worked_out_from_the_calls_timeout(
    tmp_path: Path, text: object, seconds: float
) -> None:
    assert slept(tmp_path, text, 2.0) == seconds


def test_a_fault_whose_metadata_a_call_cannot_tell_does_not_fit_it(tmp_path: Path) -> None:
    assert slept(tmp_path, "@expr(metadata['timeout'])", None) is None
    assert slept(tmp_path, "@expr(metadata['retries'])", 2.0) is None
    assert slept(tmp_path, "@expr(1/(metadata['timeout']-2))", 2.0) is None


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ({"sleep": "@expr(metadata['timeout'"}, "must be an expression"),
        ({"sleep": "@expr(metadata['timeout']"}, "a bracket is not closed"),
        ({"sleep": "@expr()"}, "a number is missing"),
        ({"sleep": "@expr(1) 2"}, "'2' is one too many"),
        ({"sleep": "@expr(__import__('os'))"}, "is no number"),
        ({"sleep": "@expr" + "(" * 300}, "at most 200 characters"),
        ({"sleep": "soon"}, "must be a number of seconds"),
        ({"sleep": True}, "must be a number of seconds"),
        ({"sleep": -1}, "0 or more seconds"),
        ({"abort": "no"}, "must be true or false"),
        ({"cause": []}, "must be a text"),
    ],
)
def test_wrong_metadata_is_named_with_its_place(
    tmp_path: Path, metadata: object, complaint: str
) -> None:
    with pytest.raises(AnalysisError, match=re.escape(complaint)) as caught:
        catalogue_of({"name": "requests.exceptions.Timeout", "metadata": metadata}, tmp_path)
    assert "x.exceptions[0].metadata." in str(caught.value)


_NUMBERS = st.floats(0, 1e6, allow_nan=False).map(lambda number: round(number, 3))


@given(
    timeout=_NUMBERS,
    steps=st.lists(st.tuples(st.sampled_from("+-*"), _NUMBERS), max_size=4),
    spaces=st.sampled_from(["", " "]),
)
def test_an_expression_comes_to_what_python_makes_of_it(
    timeout: float, steps: list[tuple[str, float]], spaces: str
) -> None:
    tail = "".join(f"{spaces}{sign}{spaces}{number:f}" for sign, number in steps)
    found = parse(f"@expr(metadata['timeout']){tail}").evaluate({"timeout": timeout})
    assert found == pytest.approx(eval(f"{timeout!r}{tail}"))


@given(text=st.text("@expr()metadata['timeout']+-*/ 0123.9", max_size=40))
def test_any_text_is_an_expression_or_one_kind_of_error(text: str) -> None:
    with suppress(ExpressionError):
        parse(f"@expr({text}").evaluate({"timeout": 1.0})


def test_the_original_default_file_reads_as_it_is(tmp_path: Path) -> None:
    # In the original's form, with what it says of gRPC and of Java.
    file = tmp_path / "analysis.json"
    file.write_text(json.dumps(ORIGINAL, indent=2))
    catalogue = load_analysis(file)
    servers = (status(500), status(502), status(503))
    assert catalogue.faults_for(observed(timeout=1.0)) == (REFUSED, TIMEOUT, *servers)
    assert catalogue.faults_for(observed(library="grpc", method="unary")) == (
        status(14),
        status(4),
        status(5),
    )
    java = Fault(FaultKind.RAISE, name="com.linecorp.armeria.client.UnprocessedRequestException")
    call = observed(library="WebClient", method="GET")
    assert catalogue.faults_for(call)[0] == java
    assert catalogue.metadata_for(java, call) == {"cause": "java.net.ConnectException"}


def errors(*services: tuple[str, str]) -> list[object]:
    return [
        {"service_name": name, "types": [{"return_value": {"status_code": code}}]}
        for name, code in services
    ]


def rpc(name: str, *codes: str) -> list[object]:
    return [{"name": name, "metadata": {"code": code}} for code in codes]


ORIGINAL = {
    "python.grpc": {
        "pattern": "grpc\\.insecure\\_channel",
        "exceptions": rpc("grpc._channel._InactiveRpcError", "UNAVAILABLE", "DEADLINE_EXCEEDED"),
    },
    "python.requests": {
        "pattern": "requests\\.(get|put|post|head)",
        "exceptions": [
            {"name": "requests.exceptions.ConnectionError"},
            {"name": "requests.exceptions.Timeout", "restrictions": "timeout"},
        ],
    },
    "java.WebClient": {
        "pattern": "WebClient\\.(GET|PUT|POST|HEAD)",
        "exceptions": [
            {
                "name": "com.linecorp.armeria.client.UnprocessedRequestException",
                "metadata": {"cause": "java.net.ConnectException"},
            }
        ],
    },
    "http": {
        "pattern": "((requests\\.(get|put|post|head))|(WebClient\\.(GET|PUT|POST|HEAD)))",
        "errors": errors((".*", "500"), (".*", "502"), (".*", "503")),
    },
    "grpc": {
        "pattern": "((grpc\\.insecure\\_channel)|(.*Service/.*))",
        "errors": [
            {"service_name": ".*", "types": [{"exception": {"metadata": {"code": "NOT_FOUND"}}}]}
        ],
    },
}


def test_what_ours_adds_names_faults_in_no_librarys_terms(tmp_path: Path) -> None:
    faults = [
        {"kind": "reset", "service_name": "bar"},
        {"kind": "status", "status_code": 429, "body": "later"},
        {"kind": "timeout", "restrictions": "timeout"},
        {"kind": "body", "body": ""},
    ]
    catalogue = load_analysis(written(tmp_path, {"x": {"pattern": "requests", "faults": faults}}))
    later = Fault(FaultKind.STATUS, status=429, body=b"later")
    assert catalogue.faults_for(observed("bar", timeout=1.0)) == (
        Fault(FaultKind.RESET),
        later,
        TIMEOUT,
        Fault(FaultKind.BODY, body=b"", late=True),
    )
    assert catalogue.faults_for(observed("foo"))[0] == later


def test_faults_may_be_late_delayed_edited_conditional_and_in_words(tmp_path: Path) -> None:
    faults = [
        {"kind": "timeout", "late": True},
        {"kind": "delay", "seconds": 1.5},
        {"kind": "body", "edit": "null user.name", "late": True},
        {"kind": "status", "code": "ABORTED", "after": "foo→bar GET /x"},
        {"kind": "reset", "late": False, "attempts": 2},
        {"kind": "drop"},
        "*→bar: status 429 first 3",
    ]
    content = {"x": {"pattern": "requests", "faults": faults}}
    catalogue = load_analysis(written(tmp_path, content))
    assert [entry.fault for entry in catalogue.entries] == [
        Fault(FaultKind.TIMEOUT, late=True),
        Fault(FaultKind.DELAY, seconds=1.5),
        Fault(FaultKind.BODY, edit="null user.name"),
        Fault(FaultKind.STATUS, status=10),
        Fault(FaultKind.RESET),
        Fault(FaultKind.DROP),
        Fault(FaultKind.STATUS, status=429),
    ]
    assert [entry.attempts for entry in catalogue.entries] == [None] * 4 + [2, None, 3]
    assert str(catalogue.entries[3].after) == "foo→bar GET /x"
    assert str(catalogue.entries[6].where) == "*→bar"


def test_faults_in_words_need_no_pattern(tmp_path: Path) -> None:
    catalogue = load_analysis(written(tmp_path, {"mine": {"faults": ["foo→bar: refused"]}}))
    (entry,) = catalogue.entries
    assert entry.fits(replace(observed("bar", library="anything"), source="foo"))
    assert not entry.fits(replace(observed("bar"), source="baz"))


@pytest.mark.parametrize(
    ("fault", "place", "advice"),
    [
        ({"kind": "delay"}, "faults[0]", '"seconds" is missing'),
        ({"kind": "delay", "seconds": 0}, "seconds", "from 0.001 to 3600"),
        ({"kind": "delay", "seconds": "1"}, "seconds", "must be a number"),
        ({"kind": "body"}, "faults[0]", '"body" is missing'),
        ({"kind": "body", "edit": "nul a"}, "edit", "did you mean 'null'?"),
        ({"kind": "status", "code": "OK"}, "code", 'such as "UNAVAILABLE"'),
        ({"kind": "reset", "late": 1}, "late", "true or false"),
        ({"kind": "refused", "late": True}, "late", "only an answer that came"),
        ({"kind": "reset", "attempts": 0}, "attempts", "a whole number from 1 to 100"),
        ({"kind": "reset", "attempts": True}, "attempts", "a whole number"),
        ({"kind": "reset", "after": "foo"}, "after", "'*→foo'"),
        ({"kind": "reset", "lat": True}, "lat", 'write "late"'),
        ("foo→bar: refusd", "faults[0]", "did you mean 'refused'?"),
        ("foo", "faults[0]", "'bar→baz: status 503'"),
    ],
)
def test_a_fault_that_is_none_is_named_with_its_place(
    tmp_path: Path, fault: object, place: str, advice: str
) -> None:
    with pytest.raises(AnalysisError, match=re.escape(advice)) as caught:
        load_analysis(written(tmp_path, {"x": {"pattern": "x", "faults": [fault]}}))
    assert "analysis.json:1: x.faults[0]" in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{\n "http":\n  {"pattern": "x",\n   "errors": 1}}', ":4: http.errors"),
        ('{"a": {"pattern": "x", "exceptions": []},\n"b": {"exeptions": []}}', ":2: b.exeptions"),
        ('{"a":\n\n', ":3:1: not JSON"),
        ('{"a": {}, "a": {}}', '"a" stands twice'),
        ('{"a": NaN}', "not JSON"),
        ('{"x": {"pattern": "x", "faults": [{"kind": "rest"}]}}', "kind"),
        ('{"x": {"pattern": "x", "faults": [\n{"kind": "status"}]}}', ":2: x.faults[0]"),
        ('{"x": {"pattern": "x", "faults": [{"kind": "body", "body": 1}]}}', "faults[0].body"),
    ],
)
def test_a_complaint_names_the_line(tmp_path: Path, text: str, place: str) -> None:
    file = tmp_path / "analysis.json"
    file.write_text(text)
    with pytest.raises(AnalysisError, match=re.escape(place)) as caught:
        load_analysis(file)
    assert "\n" not in str(caught.value)


DOCUMENT = Path(__file__).parents[2] / "docs" / "analysis.md"


@pytest.mark.parametrize(
    "example", re.findall(r"```json\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
)
def test_the_examples_in_the_documentation_are_catalogues(tmp_path: Path, example: str) -> None:
    assert load_analysis(written(tmp_path, json.loads(example))).entries


def test_what_the_documentation_says_in_words_are_faults() -> None:
    (row,) = re.findall(r"^\| fault \|(.*)\|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    for words in re.findall("`([^`]+)`", row):
        parse_rule(f"a→b: {words}")
