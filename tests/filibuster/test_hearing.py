"""Services that were started and never told anything are found out, unless that is meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from metaapps.filibuster.cli.hearing import Hearing, Unheard
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.services import Service, load

BANK = "127.0.0.1:40001"
NAMES: Mapping[str, str] = {BANK: "bank"}


def call(source: str, target: str, raised: str | None = None) -> Observation:
    return Observation(
        role=Role.CALL,
        index=f"{source} {target}".encode(),
        parent=b"",
        position=0,
        source=source,
        target=target,
        raised=raised,
    )


def service(name: str, *, outside: bool = False) -> Service:
    return Service(name, ("true",), {}, outside=outside)


def unheard(*seen: Observation, of: str, outside: bool = False) -> list[bool]:
    """Return whether a service was called, if it's not heard of in what was seen."""
    hearing = Hearing()
    hearing.note(seen, lambda address: NAMES.get(address, address))
    wanted = service(of, outside=outside)
    found = list(hearing.unheard([wanted]))
    assert found == [Unheard(wanted, each.called) for each in found]
    return [each.called for each in found]


def test_who_calls_is_heard_of() -> None:
    assert unheard(call("shop", "stock"), of="shop") == []


def test_who_says_its_name_in_an_answer_is_heard_of() -> None:
    assert unheard(call("shop", "stock"), of="stock") == []


def test_who_is_known_by_its_address_alone_was_called_and_not_heard_of() -> None:
    assert unheard(call("shop", BANK), of="bank") == [True]


def test_a_call_that_fails_tells_nothing_of_its_callee() -> None:
    assert unheard(call("shop", "bank", "ConnectionError"), of="bank") == [False]


def test_who_shall_not_be_instrumented_is_not_missed() -> None:
    assert unheard(call("shop", BANK), of="bank", outside=True) == []


@pytest.mark.parametrize(
    ("everywhere", "own", "instrument", "outside"),
    [
        ("", "", False, False),
        ("", "instrument = false", False, True),
        ("instrument = true", "", True, False),
        ("instrument = true", "instrument = false", False, True),
        ("instrument = false", "", False, True),
        ("instrument = false", "instrument = true", True, False),
    ],
)
def test_a_service_is_outside_if_that_is_said(
    everywhere: str, own: str, instrument: bool, outside: bool, tmp_path: Path
) -> None:
    path = tmp_path / "services.toml"
    path.write_text(f"{everywhere}\n[services.a]\ncommand = 'true'\n{own}\n")
    (found,) = load(path).services
    assert (found.instrument, found.outside) == (instrument, outside)
