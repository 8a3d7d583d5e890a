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
