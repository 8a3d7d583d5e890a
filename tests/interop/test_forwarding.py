"""Services that have OpenTelemetry alone forward our member; ours forward theirs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import grpc
import pytest

from baggage.boundary import read_header, write_header
from baggage.values import EMPTY, Baggage
from baggage.wire import split_members
from tests import npm
from tests.interop.running import (
    BIN,
    INSTRUMENTED,
    NODE_PACKAGES,
    QUIET,
    SERVICES,
    End,
    get,
    processes,
)

THEIRS = ["flask", "asgi", "grpc", "node"]
OURS = (str(BIN / "baggage"), "run", "--", sys.executable, str(SERVICES / "flask_forwards.py"))
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Through = Callable[..., str | None]


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    commands = {
        "flask": (*INSTRUMENTED, str(SERVICES / "flask_forwards.py")),
        "aiohttp": (*INSTRUMENTED, str(SERVICES / "aiohttp_forwards.py")),
        "asgi": (sys.executable, str(SERVICES / "asgi_forwards.py")),
        "grpc": (*INSTRUMENTED, str(SERVICES / "grpc_forwards.py")),
        "node": ("node", str(SERVICES / "node_forwards.js")),
        "ours": OURS,
    }
    node = {"NODE_PATH": str(npm.modules(*NODE_PACKAGES))}
    with processes(commands, {**QUIET, **node, "BAGGAGE_METAAPPS": ""}) as ports:
        yield ports


@pytest.fixture(scope="module")
def through(end: End, ports: dict[str, int]) -> Through:
    """Send a header to a service; return what it sends on, None for nothing."""

    def through(name: str, header: str, **more: str) -> str | None:
        end.came = {}
        sent = {"baggage": header, **more}
        if name == "grpc":
            with grpc.insecure_channel(f"127.0.0.1:{ports[name]}") as channel:
                call: grpc.UnaryUnaryMultiCallable[bytes, bytes]
                call = channel.unary_unary("/relay.Relay/Forward")
                call(f"127.0.0.1:{end.grpc}".encode(), metadata=tuple(sent.items()), timeout=300)
        else:
            assert get(ports[name], end.url, **sent) == (200, "end")
        return end.header

    return through


def packed(size: int = 0) -> Baggage:
    carried = EMPTY.pack("tenant", "acme").pack("raw", bytes(range(256)))
    return carried.pack("filling", b"x" * size) if size else carried


def filling(size: int) -> str:
    """Return a member of ours of so many bytes."""
    return "causal=" + "A" * (size - len("causal="))


@pytest.mark.parametrize("service", THEIRS)
def test_our_member_is_forwarded_untouched_among_others(through: Through, service: str) -> None:
    member = write_header(packed(), origin="shop")
    sent = through(service, f"userId=alice,{member},tier=gold;since=2019")
    assert sent is not None
    assert member in sent.split(",")
    received = read_header(sent)
    assert received.unpack("raw") == (bytes(range(256)),)
    assert [each.partition("=")[0] for each in received.foreign] == ["userId", "tier"]


@pytest.mark.parametrize("service", THEIRS)
def test_what_fills_our_budget_survives_beside_what_else_we_send(
    through: Through, service: str
) -> None:
    others = ",".join(f"key{number:02}={'x' * 50}" for number in range(60))
    carried = read_header(others)
    for number in range(300):
        carried = carried.pack(f"key{number:03}", "y" * 20)
    header = write_header(carried, origin="shop", budget=4096)
    assert len(header) > 7400
    sent = through(service, header)
    assert split_members(sent or "") == split_members(header)


@pytest.mark.parametrize("service", THEIRS)
def test_a_member_may_have_4096_bytes(through: Through, service: str) -> None:
    assert through(service, filling(4096)) == filling(4096)
    assert through(service, filling(4097)) is None


@pytest.mark.parametrize("service", THEIRS)
def test_of_180_members_all_are_forwarded(through: Through, service: str) -> None:
    others = ",".join(f"k{number}=1" for number in range(179))
    assert through(service, f"{others},causal=AAAA") == f"{others},causal=AAAA"
    assert through(service, f"{others},more=1,causal=AAAA") == f"{others},more=1"


@pytest.mark.parametrize("service", ["flask", "asgi", "node"])  # gRPC takes no such headers
def test_others_may_grow_by_encoding_as_long_as_all_have_8192_bytes(
    through: Through, service: str
) -> None:
    others = ",".join(f"k{number:02}={':' * 30}" for number in range(44))
    grown = others.replace(":", "%3A")
    member = filling(8192 - len(grown) - 1)
    assert 4000 < len(member) <= 4096
    assert through(service, f"{others},{member}") == f"{grown},{member}"


def test_aiohttp_s_server_forwards_nobody_s_members_or_all(through: Through) -> None:
    """It extracts, and attaches nothing; that may change."""
    assert through("aiohttp", "userId=alice,causal=AAAA") in {None, "userId=alice,causal=AAAA"}


def test_ours_forwards_theirs_byte_for_byte(through: Through) -> None:
    theirs = "userId=alice;since=2019;vip,name=J%C3%BCrgen%2C%20K.,q=a:b/c?d,n=1,n=2,empty="
    member = write_header(packed(), origin="shop")
    sent = through("ours", f"{theirs},{member}")
    assert sent is not None
    assert sent.rpartition(",")[0] == theirs
    assert read_header(sent).unpack("raw") == (bytes(range(256)),)


def test_ours_forwards_no_trace_where_nobody_traces(through: Through, end: End) -> None:
    through("ours", "n=1", traceparent=PARENT, tracestate="vendor=1,other=2")
    assert not {"traceparent", "tracestate"} & end.came.keys()


@pytest.mark.parametrize("service", THEIRS)
def test_through_theirs_ours_and_theirs_again_nothing_is_lost(
    through: Through, ports: dict[str, int], end: End, service: str
) -> None:
    member = write_header(packed(), origin="shop")
    first = through(service, f"userId=alice,{member}")
    second = through("ours", first or "")
    third = through(service, second or "")
    received = read_header(third or "")
    assert received.unpack("raw") == (bytes(range(256)),)
    assert received.foreign == ("userId=alice",)
