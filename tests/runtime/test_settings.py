"""Settings: `[tool.baggage]`, then the environment; nonsense is logged and left out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Policy
from baggage.runtime.settings import Settings, parse, read_settings, switched_off

PLAIN = st.dictionaries(
    st.sampled_from(
        ["service", "strict", "budget", "hosts", "metaapps", "disabled", "audit", "libraries"]
    ),
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=5)),
)


def test_without_settings_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/srv/app/stock.py"])
    assert parse({}, {}) == Settings(Policy(service="stock"))


@pytest.mark.parametrize(
    ("argv", "service"),
    [
        ([], "python"),
        (["-c"], "python"),
        ([""], "python"),
        (["a/b.py"], "b"),
        (["bin/flask"], "flask"),
        (["site-packages/flask/__main__.py"], "flask"),
        (["app.zip/__main__.py"], "app"),
    ],
)
def test_a_service_is_named_after_its_program(
    argv: list[str], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert parse({}, {}).policy.service == service


@pytest.mark.parametrize(
    "command",
    ["python -m shop.stock", "python -u -mshop.stock a", "python -umstock a b", "python -m stock"],
)
def test_a_module_that_is_not_found_yet_names_its_service(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = command.split()
    monkeypatch.setattr(sys, "orig_argv", words)
    arguments = [word for word in words if word in ("a", "b")]
    monkeypatch.setattr(sys, "argv", ["-m", *arguments])
    assert parse({}, {}).policy.service == "stock"


def test_the_project_says_everything() -> None:
    project = {
        "service": "stock",
        "strict": True,
        "budget": 1024,
        "hosts": ["*.internal", "localhost"],
        "metaapps": ["tracing"],
        "disabled": True,
        "audit": True,
        "libraries": ["requests", "flask"],
        "exclude": ["flask"],
    }
    policy = Policy("stock", strict=True, budget=1024, hosts=("*.internal", "localhost"))
    assert parse(project, {}) == Settings(
        policy,
        frozenset({"tracing"}),
        "",
        disabled=True,
        audit=True,
        libraries=frozenset({"requests", "flask"}),
        exclude=frozenset({"flask"}),
    )


def test_the_environment_says_everything_and_has_the_last_word() -> None:
    environment = {
        "BAGGAGE_SERVICE": "stock",
        "BAGGAGE_STRICT": "on",
        "BAGGAGE_BUDGET": " 1024 ",
        "BAGGAGE_HOSTS": "*.internal, localhost,",
        "BAGGAGE_METAAPPS": "",
        "BAGGAGE_DISABLED": "Yes",
        "BAGGAGE_AUDIT": "1",
        "BAGGAGE_LIBRARIES": "requests, flask",
        "BAGGAGE_EXCLUDE": "queue",
        "BAGGAGE": "causal=x",
    }
    project = {"service": "other", "strict": False, "budget": 1, "hosts": ["x"]}
    policy = Policy("stock", strict=True, budget=1024, hosts=("*.internal", "localhost"))
    assert parse(project, environment) == Settings(
        policy,
        frozenset(),
        "causal=x",
        disabled=True,
        audit=True,
        libraries=frozenset({"requests", "flask"}),
        exclude=frozenset({"queue"}),
    )


@pytest.mark.parametrize(("word", "flag"), [("1", True), ("TRUE", True), ("0", False), ("", False)])
def test_a_flag_is_one_of_a_few_words(word: str, flag: bool) -> None:
    assert parse({}, {"BAGGAGE_STRICT": word}).policy.strict is flag


@pytest.mark.parametrize(
    ("name", "value"),
    [("STRICT", "maybe"), ("DISABLED", "2"), ("BUDGET", "-1"), ("BUDGET", "4k"), ("BUDGET", "")],
)
def test_nonsense_is_logged_and_left_out(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = parse({}, {f"BAGGAGE_{name}": value})
    assert (settings.policy.strict, settings.disabled, settings.policy.budget) == (
        False,
        False,
        4096,
    )
    (said,) = caplog.messages
    assert said.startswith(f"setting ignored: BAGGAGE_{name} is {value!r}, not ")


def test_nonsense_in_the_project_is_called_by_its_place(caplog: pytest.LogCaptureFixture) -> None:
    parse({"strict": 2}, {})
    assert caplog.messages == ["setting ignored: strict of [tool.baggage] is '2', not 1 or 0"]


@given(PLAIN)
def test_any_table_makes_settings(project: dict[str, Any]) -> None:
    assert isinstance(parse(project, {}), Settings)


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ('[tool.baggage]\nservice = "stock"\n', "stock"),
        ("[tool.other]\n", "program"),
        ("[tool]\nbaggage = 1\n", "program"),
        ("tool = 1\n", "program"),
        ("not toml", "program"),
        (b"\xff", "program"),
        (None, "program"),
    ],
)
def test_the_project_file_is_read_where_the_program_runs(
    text: str | bytes | None, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "pyproject.toml").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BAGGAGE_SERVICE", raising=False)
    monkeypatch.setattr(sys, "argv", ["program.py"])
    assert read_settings().policy.service == service


@pytest.mark.parametrize("content", [b"not toml", b"\xff"])
def test_a_project_file_that_cannot_be_read_is_logged(
    content: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    read_settings()
    (said,) = caplog.messages
    assert said.startswith("settings of pyproject.toml ignored: ")


@pytest.mark.parametrize(("content", "off"), [("disabled = true", True), ("x = 1", False), ("", 0)])
def test_the_off_switch_is_asked_for_without_a_word_about_mistakes(
    content: str,
    off: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.baggage]\n{content}" if content else "[")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BAGGAGE_DISABLED", raising=False)
    monkeypatch.setenv("BAGGAGE_BUDGET", "many")
    assert switched_off() is bool(off)
    assert caplog.messages == []
