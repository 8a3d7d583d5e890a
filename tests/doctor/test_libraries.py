"""The doctor knows every library that there is an instrumentation for, and what is supported."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from packaging.version import Version

from baggage.doctor.installed import Wants, libraries, optional
from baggage.doctor.probes.table import PROBES
from baggage.runtime import discovery
from tests.architecture import tree
from tests.doctor.patients import Site, row

OURS = sorted(
    name
    for name, module in discovery.instrumentations().items()
    if module.startswith("baggage.instrumentation.")
)


def said_by_the_project() -> Iterator[str]:
    for extra, wanted in tree.pyproject()["project"]["optional-dependencies"].items():
        for each in wanted:
            requirement, _, marker = each.partition(";")
            condition = f"({marker.strip()}) and " if marker else ""
            yield f"{requirement.strip()}; {condition}extra == '{extra}'"


def test_every_instrumentation_has_a_self_test() -> None:
    assert sorted(PROBES) == OURS


@pytest.mark.parametrize("library", OURS)
def test_every_library_has_an_oldest_version_that_is_supported(library: str) -> None:
    module = library.partition(".")[0]
    if module in sys.stdlib_module_names:
        return
    distribution, wanted = Wants(tuple(optional(said_by_the_project()))).of(module, ())
    assert distribution
    assert wanted is not None
    assert [each.operator for each in wanted] == [">="]


def test_what_is_installed_is_found_with_its_version() -> None:
    known = {each.name: each for each in libraries()}
    assert known["grpc"].distribution == "grpcio"
    assert Version(known["grpc.aio"].version) >= Version("1.62")
    assert known["threading"].standard
    assert all(known[name].found for name in OURS)


def test_what_is_not_installed_is_told_and_no_illness(site: Site) -> None:
    site.instrumentation("no_such_library", "def instrument(boundary, switch): pass")
    said = site.examined("no_such_library")
    assert said["healthy"]
    assert row(said, "no_such_library")["found"] is False
    assert "not installed" in site.run("doctor", "no_such_library").stdout


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (["fast_lib>=2; extra == 'fast_lib'"], ("fast_lib", ">=2")),
        (["fast-lib>=1,<2; extra == 'anything'"], ("fast-lib", "<2,>=1")),
        (["lib-of-speed>=2; extra == 'fast_lib'"], ("lib-of-speed", ">=2")),
        (["fast-lib>=1; extra == 'a'", "fast.lib!=3; extra == 'b'"], ("fast.lib", "!=3,>=1")),
        (["fast_lib>=2; python_version > '3' and extra == 'a'"], ("fast_lib", ">=2")),
        (["fast_lib>=2; extra == 'test'"], ("", "None")),
        (["fast_lib>=2"], ("", "None")),
        (["no requirement at all"], ("", "None")),
    ],
)
def test_extras_say_what_is_supported(said: list[str], found: tuple[str, str]) -> None:
    distribution, wanted = Wants(tuple(optional(said))).of("fast_lib", ())
    assert (distribution, str(wanted)) == found


def test_a_version_that_who_instruments_it_does_not_support_is_an_illness(site: Site) -> None:
    site.install("patient-library", {"patient_library": ""}, {}, version="1.5")
    instruments = {"baggage.instrumentations": {"patient_library": "patient_module"}}
    source = {"patient_module": "def instrument(boundary, switch): pass"}
    wants = ["patient_library>=2; extra == 'patient_library'"]
    site.install("patient", source, instruments, requires=wants)
    said = site.examined("patient_library")
    found = row(said, "patient_library")
    assert (found["version"], found["supported"]) == ("1.5", False)
    assert found["instrumented_by"] == "patient"
    assert said["illnesses"] == ["patient_library: 1.5 is not supported, which >=2 is"]
    assert found["self_test"]["reason"] == "its instrumentation brings no self-test"
