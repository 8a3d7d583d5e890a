"""The schema of analysis files says what their reader does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaapps.filibuster.catalogue import SCHEMA, AnalysisError, load_analysis
from tests.filibuster.test_catalogue import ANALYSIS, ORIGINAL, written


def valid(schema: Mapping[str, Any], value: Any) -> bool:
    """Tell whether a value satisfies a JSON schema, of the few words that ours uses."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "null": type(None),
        "number": (int, float),
        "integer": int,
    }
    wanted = schema.get("type", list(kinds))
    wanted = [wanted] if isinstance(wanted, str) else wanted
    typed = any(
        isinstance(value, kinds[kind]) and (kind == "boolean" or not isinstance(value, bool))
        for kind in wanted
    )
    named = schema.get("properties", {})
    return (
        typed
        and value in schema.get("enum", [value])
        and value == schema.get("const", value)
        and all(valid(each, value) for each in schema.get("allOf", []))
        and ("anyOf" not in schema or any(valid(each, value) for each in schema["anyOf"]))
        and ("if" not in schema or not valid(schema["if"], value) or valid(schema["then"], value))
        and (not isinstance(value, str) or _valid_text(schema, value))
        and (
            not isinstance(value, int | float)
            or schema.get("minimum", value) <= value <= schema.get("maximum", value)
        )
        and (not isinstance(value, list) or all(valid(schema.get("items", {}), v) for v in value))
        and (not isinstance(value, dict) or _valid_members(schema, named, value))
    )


def _valid_text(schema: Mapping[str, Any], value: str) -> bool:
    return len(value) >= schema.get("minLength", 0) and bool(
        re.search(schema.get("pattern", ""), value)
    )


def _valid_members(
    schema: Mapping[str, Any], named: Mapping[str, Any], value: dict[str, Any]
) -> bool:
    needed = [*schema.get("required", [])]
    for key, others in schema.get("dependentRequired", {}).items():
        needed += others if key in value else []
    more = schema.get("additionalProperties", {})
    return all(key in value for key in needed) and all(
        valid(named.get(key, more), each) for key, each in value.items()
    )


@pytest.mark.parametrize("content", [ANALYSIS, ORIGINAL, {"$schema": "x", **ANALYSIS}])
def test_the_schema_takes_what_the_reader_takes(tmp_path: Path, content: object) -> None:
    assert valid(SCHEMA, content)
    assert load_analysis(written(tmp_path, content)).entries


WHEN = {
    "attempts": st.sampled_from([1, 100, 101, True, "2"]),
    "after": st.sampled_from(["a→b", "a -> *b GET /x", "a", ""]),
}
FAULT = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(
            ["reset", "refused", "status", "body", "delay", "drop", "raise", 1]
        ),
        "status_code": st.sampled_from(["503", 503, 99, "5x3"]),
        "code": st.sampled_from(["NOT_FOUND", "OK", 5]),
        "body": st.sampled_from(["", 1]),
        "edit": st.sampled_from(["null a.b", " truncate 10 ", "truncate", 1]),
        "seconds": st.sampled_from([1, 0.5, 0, 3601, True, "1"]),
        "late": st.sampled_from([True, False, 1]),
        **WHEN,
    },
)
_SECTION = st.fixed_dictionaries(
    {"pattern": st.just("x")},
    optional={
        "exceptions": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["a.B", "", 1]),
                    "restrictions": st.sampled_from(["timeout", 1]),
                    "metadata": st.fixed_dictionaries(
                        {},
                        optional={
                            "code": st.sampled_from(["NOT_FOUND", "OK", 5]),
                            "sleep": st.sampled_from([1, 0.5, -1, True, "@expr(1)", "soon"]),
                            "abort": st.sampled_from([True, 0]),
                            "cause": st.sampled_from(["", None, []]),
                        },
                    ),
                    **WHEN,
                },
            ),
            max_size=2,
        ),
        "faults": st.lists(
            FAULT | st.sampled_from(["a→b: refused", "a -> b GET /: drop", "a"]), max_size=2
        ),
        "errors": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "service_name": st.sampled_from([".*", ""]),
                    **WHEN,
                    "types": st.lists(
                        st.sampled_from(
                            [
                                {},
                                {"return_value": {"status_code": "404"}},
                                {"return_value": {}},
                                {"exception": {"metadata": {"code": "ABORTED"}}},
                                {"exception": {"metadata": {}}},
                            ]
                        ),
                        max_size=2,
                    ),
                },
            ),
            max_size=2,
        ),
    },
)


@given(section=_SECTION)
def test_the_schema_takes_nothing_that_the_reader_refuses(
    tmp_path_factory: pytest.TempPathFactory, section: object
) -> None:
    known = {"pattern": "x", "exceptions": [{"name": "a.B"}]}
    content = {"known": known, "x": section}
    path = written(tmp_path_factory.mktemp("analysis"), content)
    if valid(SCHEMA, content):
        assert load_analysis(path).entries
    else:
        # It asks for "kind": "status" to be whole, and the like; so does the reader.
        with pytest.raises(AnalysisError):
            load_analysis(path)


def test_only_faults_in_words_go_without_a_pattern(tmp_path: Path) -> None:
    content = {"x": {"faults": ["a→b: refused"]}}
    assert valid(SCHEMA, content)
    assert load_analysis(written(tmp_path, content)).entries
    for more in ({"kind": "reset"}, "a"):
        wrong = {"x": {"faults": ["a→b: refused", more]}}
        assert not valid(SCHEMA, wrong)
        with pytest.raises(AnalysisError):
            load_analysis(written(tmp_path, wrong))
