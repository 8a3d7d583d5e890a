"""The bytes of baggage stay what they are: other implementations and older services read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from baggage.values import Baggage
from baggage.wire import decode, encode

VECTORS = json.loads(
    (Path(__file__).parents[2] / "proto" / "baggage.vectors.json").read_text("utf-8")
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_golden_vector_is_read(vector: dict[str, Any]) -> None:
    carried = Baggage.deserialize(bytes.fromhex(vector["bytes"]))
    assert carried.origin == vector["origin"]
    names = carried.keys()
    over = carried.history.over
    assert (None if over is None else list(over)) == vector["marker"]
    shown = {
        name: [value.hex() if isinstance(value, bytes) else value for value in carried.unpack(name)]
        for name in names
    }
    assert shown == vector["shows"]


@pytest.mark.parametrize("vector", VECTORS[:-1], ids=lambda vector: vector["name"])
def test_a_golden_vector_is_written(vector: dict[str, Any]) -> None:
    assert encode(decode(bytes.fromhex(vector["bytes"]))).hex() == vector["bytes"]
