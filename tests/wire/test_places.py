"""Whatever came, what we write is legal where it is put: headers, environments, gRPC's metadata."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from baggage.boundary import read_header, write_header
from baggage.boundary.transport import write
from baggage.instrumentation._grpc.metadata import Metadata
from baggage.values import Baggage

TOKEN, VALUE, SPACE = r"[\w!#$%&'*+.^`|~-]+", r"[!#-+\--:<-\[\]-~]*", r"[ \t]*"
PAIR = f"{TOKEN}{SPACE}={SPACE}{VALUE}"
MEMBER = re.compile(f"{PAIR}({SPACE};{SPACE}({PAIR}|{TOKEN}))*", re.ASCII)
"""The grammar of the W3C, once more."""

NASTY = "a=1;\tp , b = 2\t; q=3,c=é,d=%C3%A9%00,causal=AAAA,e=\x00,f=\x7f,g h=1,i=1\r\nx: y,j"
MANY = ",".join(f"k{number}=" for number in range(70))
PARTS = st.sampled_from(NASTY.split(",")) | st.text(max_size=5) | st.just("v=" + "x" * 2000)
HEADERS = st.lists(PARTS, max_size=80).map(",".join) | st.text(max_size=30)
VALUES = st.binary(max_size=40) | st.text(max_size=40) | st.integers(-9, 9)
NAMES = st.text(min_size=1, max_size=9)


def carrying(header: str, values: dict[str, Any]) -> Baggage:
    """Return baggage that came with a header, and some values more."""
    carried = read_header(header)
    for name, value in values.items():
        carried = carried.pack(name, value)
    return carried


def is_legal(header: str) -> bool:
    """Say whether a header is one by the grammar, within the standard's limits."""
    parts = header.split(",") if header else []
    members = [part.strip(" \t") for part in parts]
    return len(header) <= 8192 and len(members) <= 64 and all(map(MEMBER.fullmatch, members))


@given(HEADERS, st.dictionaries(NAMES, VALUES, max_size=4), st.text(max_size=9))
@example(NASTY, {"k": "é\x00\r\n,;="}, "é,;= \r\n")
@example(MANY, {"k": 1}, "here")
@example("v=" + "x" * 8190, {"k": 1}, "here")
def test_a_header_is_one_by_the_grammar(header: str, values: dict[str, Any], origin: str) -> None:
    written = write_header(carrying(header, values), origin=origin)
    assert is_legal(written)
    assert not written or {"\0", "\r", "\n"}.isdisjoint(written)


@given(HEADERS, st.dictionaries(NAMES, VALUES, max_size=4))
@example(NASTY, {"k": "é\x00\r\n,;="})
@example(MANY, {})
def test_metadata_is_what_grpc_takes(header: str, values: dict[str, Any]) -> None:
    metadata = Metadata(None)
    write(metadata, carrying(header, values), origin="here", budget=4096)
    ((name, value),) = metadata.items or (("baggage", "a=1"),)
    assert name == "baggage"
    assert isinstance(value, str)
    assert re.fullmatch("[!-~]([ -~]*[!-~])?", value)
    assert is_legal(value)
    assert read_header(value).unpack("k") == carrying("", values).unpack("k")


@pytest.mark.parametrize("header", [NASTY, "a=1,\tb=2", "a=%2C ; p", ""])
def test_grpc_itself_takes_it_and_brings_it_back(header: str) -> None:
    carried = carrying(header, {"k": bytes(range(256)), "t": "é\x00\r\n,;="})
    seen: list[Any] = []

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        came: dict[str, Any] = dict(context.invocation_metadata())
        seen.append(came["baggage"])
        context.set_trailing_metadata((("baggage", came["baggage"]),))
        return request

    methods: Any = {"m": grpc.unary_unary_rpc_method_handler(answer)}
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("s", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        metadata = Metadata(None)
        write(metadata, carried, origin="here", budget=4096)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            method: Any = channel.unary_unary("/s/m")
            back = dict(method.with_call(b"", metadata=metadata.sent)[1].trailing_metadata())
    finally:
        server.stop(None).wait()
    assert seen == [back["baggage"]] == [dict(metadata.items)["baggage"]]
    received = read_header(back["baggage"])
    assert received.unpack("k") == (bytes(range(256)),)
    assert len(received.foreign) == len(carried.foreign)


@pytest.mark.parametrize("header", [NASTY, "a=1,\tb=2;p", ""])
def test_a_child_process_finds_it_in_its_environment(header: str) -> None:
    written = write_header(carrying(header, {"k": bytes(range(256)), "t": "é\x00\r\n,;="}))
    tell = "import json, os; print(json.dumps(os.environ['BAGGAGE']))"
    environment = {**os.environ, "BAGGAGE": written}
    command = [sys.executable, "-S", "-c", tell]
    told = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert json.loads(told) == written
    assert read_header(json.loads(told)).unpack("t") == ("é\x00\r\n,;=",)
