"""The doctor says what a process is like that is started where it is."""

from __future__ import annotations

import sys
from typing import Any

from baggage.runtime.settings import NAMES, parse
from tests.doctor.patients import Site

FINE = """
class App:
    name = "acme"
    def interest(self, kind, library): ...
    def around(self, call): ...

def create():
    return App()
"""


def process(site: Site, *arguments: str, **variables: str) -> dict[str, Any]:
    said = site.examined("--no-self-test", *arguments, **variables)
    return {**said["process"], "all_warnings": said["warnings"], "illnesses": said["illnesses"]}


def metaapp(said: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in said["metaapps"] if each["name"] == name]
    return dict(found)


def test_the_names_of_settings_are_those_that_are_read() -> None:
    class Asked(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            seen.append(name)
            return default

    seen: list[str] = []
    parse(Asked(), {})
    assert sorted(seen) == sorted(NAMES)


def test_settings_come_with_where_they_were_made(site: Site) -> None:
    site.project('service = "shop"\nhosts = ["*.internal"]')
    said = process(site, BAGGAGE_SERVICE="till", BAGGAGE_STRICT="1")
    assert said["service"] == "till"
    assert {each["name"]: (each["value"], each["source"]) for each in said["settings"]} == {
        "service": ("till", "environment: BAGGAGE_SERVICE"),
        "hosts": ("['*.internal']", "[tool.baggage] in pyproject.toml"),
        "strict": ("1", "environment: BAGGAGE_STRICT"),
    }


def test_a_setting_that_makes_no_sense_is_warned_of(site: Site) -> None:
    site.project("sevrice = 'a'")
    mistakes = {"BUDGET": "many", "SERVCE": "a", "EXCLUDE": "flsk"}
    said = process(site, **{f"BAGGAGE_{name}": it for name, it in mistakes.items()})
    for warning in (
        "setting ignored: BAGGAGE_BUDGET is 'many', not a number",
        "BAGGAGE_SERVCE is no setting: did you mean BAGGAGE_SERVICE?",
        "sevrice is no setting of [tool.baggage]: there are audit, budget, ",
        "setting ignored: no instrumentation for 'flsk'",
    ):
        assert [line for line in said["all_warnings"] if line.startswith(warning)] != []
    assert said["illnesses"] == []


def test_what_others_call_alike_is_no_mistake(site: Site) -> None:
    assert process(site, BAGGAGE_CLAIM="12")["all_warnings"] == []


def test_libraries_that_settings_leave_out_are_off(site: Site) -> None:
    said = process(site, BAGGAGE_LIBRARIES="requests,flask", BAGGAGE_EXCLUDE="flask")
    assert said["active"] == ["requests"]
    said = process(site, BAGGAGE_DISABLED="1")
    assert said["active"] == []
    assert any("nothing is instrumented here" in line for line in said["all_warnings"])


def test_an_instrumentation_that_fails_where_it_is_imported_is_left_out_by_name(site: Site) -> None:
    site.instrumentation("os", "def instrument(boundary, switch):\n    raise OSError('gone')")
    said = process(site)
    assert said["broken"] == {"os": "OSError: gone"}
    assert any("os is left out: OSError: gone" in line for line in said["all_warnings"])


def test_a_process_that_activates_itself_is_told_apart(site: Site) -> None:
    assert process(site)["activated"] is False
    doctor = [sys.executable, "-m", "baggage", "doctor", "--no-self-test", "os"]
    ran = site.run("run", "--service", "shop", "--", *doctor)
    assert ran.returncode == 0, ran.stderr
    assert "activated  yes, before it runs a line of its own" in ran.stdout
    assert "service    shop" in ran.stdout


def test_meta_applications_are_told_with_where_they_come_from(site: Site) -> None:
    site.metaapp(FINE)
    assert metaapp(process(site), "acme") == {
        "name": "acme",
        "distribution": "acme-app",
        "version": "1.0",
        "registered": True,
        "reason": "",
    }


def test_one_that_can_not_be_had_is_an_illness_with_its_reason(site: Site) -> None:
    broken = {
        "told": ("def create():\n    raise ValueError('no key')", "ValueError: no key"),
        "gone": ("import nothing", "ModuleNotFoundError: No module named 'nothing'"),
        "else": ("def create():\n    return 7", "else_app:create makes 7, which is none"),
    }
    for name, (source, _) in broken.items():
        site.metaapp(source, name)
    said = process(site)
    for name, (_, reason) in broken.items():
        assert metaapp(said, name)["reason"] == reason
        assert f"meta-application {name}: {reason}" in said["illnesses"]


def test_one_that_was_not_chosen_is_no_illness_and_one_that_is_missing_is(site: Site) -> None:
    site.metaapp("raise RuntimeError")
    said = process(site, BAGGAGE_METAAPPS="tracing,acmee")
    assert not metaapp(said, "acme")["registered"]
    assert said["illnesses"] == [
        "meta-application acmee: chosen by the settings, but not installed"
    ]


def test_one_that_ends_or_stops_the_process_harms_nobody(site: Site) -> None:
    site.metaapp("import os; os._exit(3)")
    ran = site.run("doctor", "queue")
    assert ran.returncode == 1
    assert "not known: its process ended with exit code 3" in ran.stdout
    assert "queue  part of Python" in ran.stdout
