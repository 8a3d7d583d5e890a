"""The suites pass what is done properly, and each mistake fails by a property that names it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


MISTAKES = [
    ("ByHalves", "what_the_callee_packed_comes_home"),
    ("ByHalves", "an_injected_fault_never_contacts_the_callee"),
    ("ReadingAhead", "a_stream_is_not_read_ahead"),
    ("WrappingErrors", "an_exception_passes_as_it_would_without_us"),
    ("Deaf", "what_the_callee_packed_comes_home"),
    ("Blabbing", "a_call_is_described_without_saying_where_it_goes"),
    ("Believing", "a_fault_that_cannot_be_enacted_leaves_the_call_to_happen"),
    ("Careless", "a_body_that_is_changed_leaves_status_and_headers_as_they_are"),
    ("Late", "a_call_that_times_out_after_arrival_did_reach_the_callee"),
    ("Timeless", "a_call_that_is_slower_than_its_caller_waits_did_reach_the_callee"),
    ("Obliging", "a_body_without_room_for_an_edit_is_read_as_it_came"),
    ("Hopeful", "a_reset_leaves_less_than_all_and_what_is_written_later_exact"),
    ("Heedless", "it_can_be_switched_off_and_on_again"),
    ("Showing", "a_consumer_does_not_see_headers_of_ours"),
    ("Leaking", "a_message_of_an_uninstrumented_producer_has_an_empty_context"),
    ("Swallowing", "flows_hear_that_the_work_on_a_message_failed"),
    ("Forgetful", "flows_hear_that_a_message_goes_back_and_that_it_came_again"),
    ("Adding", "replies_are_joined_and_duplicates_count_exactly"),
    ("Once", "a_message_that_is_duplicated_comes_twice_each_a_delivery_of_its_own"),
    ("Twice", "a_flow_gives_one_directive_and_ends_with_any_outcome"),
    ("Clinging", "a_flow_can_be_given_up_at_any_time"),
    ("Sunny", "a_flow_gives_one_directive_and_ends_with_any_outcome"),
    ("Trespassing", "it_keeps_to_its_own_keys"),
    ("Trusting", "whatever_came_under_its_keys_harms_nobody"),
    ("Stacking", "flows_end_in_any_order"),
]


@pytest.fixture(scope="module")
def failures() -> dict[str, set[str]]:
    """Return which properties failed, by the class of tests."""
    suites = "tests/testing/suites.py"
    chosen = [f"{suites}::TestProperly", f"{suites}::TestMine", f"{suites}::TestBroker"]
    chosen += [f"{suites}::Test{mistake}::test_{caught}" for mistake, caught in MISTAKES]
    options = ["-q", "--tb=no", "-p", "no:xdist", "-p", "tests.testing.quickly"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *chosen],
        cwd=ROOT,
        env={**os.environ, "HYPOTHESIS_PROFILE": "quickly"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    found: dict[str, set[str]] = {}
    for suite, name in re.findall(r"^FAILED \S+?::Test(\w+)::test_(\w+)", ran.stdout, re.MULTILINE):
        found.setdefault(suite, set()).add(name)
    return found


def test_what_is_done_properly_passes(failures: dict[str, set[str]]) -> None:
    assert not {"Properly", "Mine", "Broker"} & failures.keys(), failures


@pytest.mark.parametrize(
    ("mistake", "caught"),
    MISTAKES,
)
def test_a_mistake_is_caught_by_its_name(
    mistake: str, caught: str, failures: dict[str, set[str]]
) -> None:
    assert caught in failures[mistake]
