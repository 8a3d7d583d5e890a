"""What tests of frameworks' users rely on holds under `baggage run`."""

from __future__ import annotations

from tests.activation.programs import HERE, RUN, said


def test_a_client_that_keeps_the_contexts_of_a_request_keeps_them_through_its_stream() -> None:
    seen, *left = said(*RUN, "python", str(HERE / "apps" / "preserving.py"))
    alone = [["blue", "/", "blue []", "blue"], ["world"]]
    carried = [["blue", "/", "blue [1]", "blue"], ["world"]]
    assert seen == [*alone, *alone, *carried, *carried]
    assert left == [False, False]
