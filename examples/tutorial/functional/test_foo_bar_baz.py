"""What foo says when nothing fails, and what it may say when something does."""

from __future__ import annotations

import os

import requests

from metaapps.filibuster.assertions import was_fault_injected


def test_foo_bar_baz() -> None:
    response = requests.get(f"{os.environ['FOO_URL']}/foo/bar/baz", timeout=10)
    if response.status_code == 200:
        assert response.text == "foo bar baz"
    else:
        assert was_fault_injected()
        assert response.status_code in (503, 404)


if __name__ == "__main__":
    test_foo_bar_baz()
