from __future__ import annotations

import pytest

from metaapps.tracing.errors import SettingError
from metaapps.tracing.settings import Settings, from_environment


def test_nothing_is_traced_by_default() -> None:
    assert from_environment({}) == Settings(file=None, share=True)
    assert from_environment({"TRACING_FILE": "", "TRACING_SHARE": ""}) == Settings()


def test_the_file_does_not_depend_on_where_the_application_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")
    monkeypatch.chdir(here)
    file = from_environment({"TRACING_FILE": "trace.json"}).file
    monkeypatch.chdir(there)
    assert file == here / "trace.json"


@pytest.mark.parametrize(
    ("text", "share"), [("1", True), ("Yes", True), ("0", False), ("off", False)]
)
def test_sharing_is_a_flag(text: str, share: bool) -> None:
    assert from_environment({"TRACING_SHARE": text}).share is share


def test_a_flag_that_means_nothing_is_named() -> None:
    with pytest.raises(SettingError, match=r"TRACING_SHARE is 'Maybe'; set it to 1 or 0"):
        from_environment({"TRACING_SHARE": "Maybe"})


def test_spans_go_to_servers_by_their_urls() -> None:
    settings = from_environment(
        {
            "TRACING_URL": "http://zipkin:9411",
            "TRACING_ENCODING": "proto3",
            "TRACING_OTLP": "https://collector:4318",
            "TRACING_OTLP_ENCODING": "JSON",
            "TRACING_INTERVAL": "0.5",
        }
    )
    assert settings.interval == 0.5
    assert (settings.url, settings.encoding) == ("http://zipkin:9411", "proto3")
    assert (settings.otlp, settings.otlp_encoding) == ("https://collector:4318", "json")


def test_where_no_span_can_be_shared_none_is_but_on_request() -> None:
    otlp = {"TRACING_OTLP": "http://collector:4318"}
    assert not from_environment(otlp).share
    assert from_environment(otlp | {"TRACING_SHARE": "1"}).share


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["b3"]),
        ("none", []),
        ("w3c", ["w3c"]),
        ("W3C, b3multi,w3c", ["w3c", "b3multi"]),
    ],
)
def test_formats_are_named(text: str, names: list[str]) -> None:
    formats = from_environment({"TRACING_FORMATS": text}).formats
    assert [each.name for each in formats] == names


def test_libraries_whose_branches_get_spans_are_named() -> None:
    assert from_environment({"TRACING_LOCAL": "threading, asyncio"}).local == (
        "threading",
        "asyncio",
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TRACING_URL", "zipkin:9411", "set it to a URL such as http://localhost:9411"),
        ("TRACING_ENCODING", "thrift", "set it to one of json, proto3"),
        ("TRACING_OTLP_ENCODING", "grpc", "set it to one of protobuf, json"),
        ("TRACING_FORMATS", "b3,jaeger", "set it to none, or some of b3, b3multi, w3c"),
        ("TRACING_FORMATS", "none,b3", "set it to none, or some of b3, b3multi, w3c"),
        ("TRACING_SAMPLE", "often", "'often'"),
        ("TRACING_FILE", "~no-such-user/trace.json", "set it to a path: "),
        ("TRACING_INTERVAL", "0", "set it to seconds, above 0 and up to 3600"),
        ("TRACING_INTERVAL", "nan", "set it to seconds, above 0 and up to 3600"),
        ("TRACING_INTERVAL", "soon", "set it to seconds, above 0 and up to 3600"),
    ],
)
def test_what_means_nothing_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingError) as refused:
        from_environment({name: value})
    assert name in str(refused.value)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
