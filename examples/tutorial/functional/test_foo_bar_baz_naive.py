"""What foo says when nothing fails. Nobody who wrote this has thought of faults."""

from __future__ import annotations

import os

import requests


def test_foo_bar_baz() -> None:
    response = requests.get(f"{os.environ['FOO_URL']}/foo/bar/baz", timeout=10)
    assert response.status_code == 200
    assert response.text == "foo bar baz"


if __name__ == "__main__":
    test_foo_bar_baz()
