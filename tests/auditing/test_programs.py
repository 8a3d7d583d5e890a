"""The fault table: each fault of the propagation is found in each program, nothing else is.

`python -m tests.auditing.rates` prints how often what is found.
"""

from __future__ import annotations

import pytest

from tests.auditing.lent_programs import LENT_APPLICATION, LENT_PROPAGATION, LentProgram
from tests.auditing.programs import APPLICATION, PROPAGATION, Program

SOME, MANY = range(40), range(4000)


def strike(make: type[Program], fault: str, seeds: range) -> None:
    _, expected = (LENT_PROPAGATION if make is LentProgram else PROPAGATION)[fault]
    for seed in seeds:
        program = make(seed, fault)
        program.run()
        assert expected <= program.problems, (seed, program.problems)


def spare(make: type[Program], fault: str, seeds: range) -> None:
    for seed in seeds:
        program = make(seed, fault)
        program.run()
        assert program.problems == set(), seed


@pytest.mark.parametrize("fault", PROPAGATION)
def test_a_fault_of_the_propagation_is_found_in_process(fault: str) -> None:
    strike(Program, fault, SOME)


@pytest.mark.parametrize("fault", LENT_PROPAGATION)
def test_a_fault_of_the_propagation_is_found_under_lending(fault: str) -> None:
    strike(LentProgram, fault, SOME)


@pytest.mark.parametrize("fault", ["none", *APPLICATION])
def test_a_fault_of_the_application_is_no_finding_in_process(fault: str) -> None:
    spare(Program, fault, SOME)


@pytest.mark.parametrize("fault", ["none", *LENT_APPLICATION])
def test_a_fault_of_the_application_is_no_finding_under_lending(fault: str) -> None:
    spare(LentProgram, fault, SOME)


@pytest.mark.parametrize("seed", SOME)
def test_all_that_lend_write_under_one_root(seed: int) -> None:
    program = LentProgram(seed)
    program.run()
    [root] = program.request.baggage.history.seen
    assert program.request.baggage.history.own == {root: 1}


@pytest.mark.soak
@pytest.mark.parametrize("fault", PROPAGATION)
def test_a_fault_is_found_in_thousands_of_programs(fault: str) -> None:
    strike(Program, fault, MANY)


@pytest.mark.soak
@pytest.mark.parametrize("fault", LENT_PROPAGATION)
def test_a_fault_is_found_in_thousands_of_programs_that_lend(fault: str) -> None:
    strike(LentProgram, fault, MANY)


@pytest.mark.soak
@pytest.mark.parametrize("fault", ["none", *APPLICATION])
def test_nothing_is_found_in_thousands_of_programs(fault: str) -> None:
    spare(Program, fault, MANY)


@pytest.mark.soak
@pytest.mark.parametrize("fault", ["none", *LENT_APPLICATION])
def test_nothing_is_found_in_thousands_of_programs_that_lend(fault: str) -> None:
    spare(LentProgram, fault, MANY)
