from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from metaapps.tracing.errors import SettingError
from metaapps.tracing.export.file import TraceFile, read
from metaapps.tracing.export.memory import Memory
from metaapps.tracing.export.opening import Several, reporters
from tests.tracing.export.collecting import Collector, numbered

LONG = 300.0


def test_where_nothing_is_named_nothing_is_opened() -> None:
    assert reporters() is None


def test_a_file_has_each_span_at_once(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    export = reporters(file=path)
    assert isinstance(export, TraceFile)
    export.report(numbered(1))
    assert read(path) == (numbered(1),)
    assert export.flush(LONG)
    assert export.close(LONG)
    assert export.dropped == {}


def test_a_file_of_lines_has_them_soon(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    export = reporters(file=path)
    assert export is not None
    export.report(numbered(1))
    export.report(numbered(2))
    assert export.close(LONG)
    assert len(path.read_bytes().splitlines()) == 2
    assert read(path) == (numbered(1), numbered(2))


@pytest.mark.parametrize(
    ("named", "path", "content_type"),
    [
        ({}, "/api/v2/spans", "application/json"),
        ({"encoding": "json"}, "/api/v2/spans", "application/json"),
        ({"encoding": "proto3"}, "/api/v2/spans", "application/x-protobuf"),
        ({"otlp": ""}, "/v1/traces", "application/x-protobuf"),
        ({"otlp": "", "otlp_encoding": "json"}, "/v1/traces", "application/json"),
        ({"otlp": "", "otlp_encoding": "protobuf"}, "/v1/traces", "application/x-protobuf"),
    ],
)
def test_a_server_gets_what_it_is_said_to_take(
    named: Mapping[str, Any], path: str, content_type: str
) -> None:
    with Collector().serving() as server:
        where = {"otlp" if "otlp" in named else "url": server.url}
        export = reporters(**{**named, **where})
        assert export is not None
        export.report(numbered(1))
        assert export.close(LONG)
    [received] = server.received
    assert (received.path, received.headers["content-type"]) == (path, content_type)


def test_several_get_each_span(tmp_path: Path) -> None:
    with Collector().serving() as zipkin, Collector().serving() as collector:
        export = reporters(
            file=tmp_path / "trace.json", url=zipkin.url, otlp=collector.url, otlp_encoding="json"
        )
        assert export is not None
        export.report(numbered(1))
        assert export.flush(LONG)
        assert zipkin.ids == [1]
        [spans] = json.loads(collector.received[0].body)["resourceSpans"]
        assert "0000000000000001" in json.dumps(spans)
        assert read(tmp_path / "trace.json") == (numbered(1),)
        assert export.close(LONG)
        export.report(numbered(2))
    assert export.dropped == {"closed": 2}
    assert len(read(tmp_path / "trace.json")) == 2


def test_several_count_together_what_each_dropped() -> None:
    several = Several([Memory(capacity=1), Memory(capacity=2)])
    for number in range(1, 4):
        several.report(numbered(number))
    assert several.dropped == {"queue full": 3}


def test_several_wait_no_longer_than_one_is_given() -> None:
    class Slow(Memory):
        def flush(self, timeout: float = 0.0) -> bool:
            given.append(timeout)
            return False

        close = flush

    given: list[float] = []
    several = Several([Slow(), Slow()])
    assert not several.flush(5.0)
    assert not several.close(5.0)
    assert given == sorted(given[:2], reverse=True) + sorted(given[2:], reverse=True)
    assert max(given) <= 5.0


@pytest.mark.parametrize(
    "named",
    [
        {"url": "zipkin"},
        {"otlp": "collector:4318"},
        {"url": "http://zipkin", "encoding": "xml"},
        {"otlp": "http://collector", "otlp_encoding": "grpc"},
    ],
)
def test_what_means_nothing_is_refused_at_once(named: Mapping[str, Any]) -> None:
    with pytest.raises(SettingError):
        reporters(**named)


def test_who_writes_files_imports_no_client_of_http() -> None:
    code = "import sys, metaapps.tracing.export.opening; sys.exit('http.client' in sys.modules)"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", code], env=environ, check=False).returncode == 0
