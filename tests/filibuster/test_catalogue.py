"""Which faults fit which calls, and what an analysis file may say."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue import DEFAULT, AnalysisError, Catalogue, Entry, load_analysis
from metaapps.filibuster.observation import Observation, Role

REFUSED = Fault(FaultKind.REFUSED)
TIMEOUT = Fault(FaultKind.TIMEOUT)


def status(code: int) -> Fault:
    return Fault(FaultKind.STATUS, status=code)


def observed(
    target: str = "bar",
    library: str = "requests",
    method: str = "get",
    timeout: float | None = None,
) -> Observation:
    return Observation(
        role=Role.CALL,
        index=b"1",
        parent=b"0",
        position=0,
        target=target,
        library=library,
        method=method,
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
    assert DEFAULT.faults_for(observed(library="grpc", method="call")) == ()


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
