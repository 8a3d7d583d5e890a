"""`baggage decode` shows what is in baggage, wherever that is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from baggage.boundary import write_header
from baggage.cli import main
from baggage.clock import SEED, encode_id
from baggage.testing.hostile import GARBAGE
from baggage.values import EMPTY, Baggage, Key, Last, Sum, fit, key
from baggage.wire import WireBaggage, WireBlock, WireEntry, WireLoan, armour, compose, encode

ROOT = 7
DOWN, HOME = key("d", direction="down", priority=20), key("h", direction="home")
SHOP = armour(encode(WireBaggage(origin="shop")))
VECTORS = json.loads((Path(__file__).parents[2] / "proto/vectors/messages.json").read_text("utf-8"))


def run(*arguments: str, given: bytes = b"") -> Result:
    return CliRunner().invoke(main, ["decode", *arguments], input=given, prog_name="baggage")


def told(*arguments: str, given: bytes = b"") -> str:
    result = run(*arguments, given=given)
    assert result.exit_code == 0, result.output
    return result.output


def data(*arguments: str, given: bytes = b"") -> dict[str, Any]:
    read: dict[str, Any] = json.loads(told("--json", *arguments, given=given))
    return read


def packed() -> Baggage:
    """Return baggage with a bit of everything, under one root."""
    left, right = EMPTY.pack(Key("total", Sum), 2).pack(Key("who", Last), "me").split()
    joined = left.pack("n", 1).join(right.pack(Key("total", Sum), 5).pack("raw", b"\xff"))
    return joined.pack(DOWN, 1.5).pack(HOME, True)


def test_the_command_runs_by_itself() -> None:
    arguments = [sys.executable, "-m", "baggage", "decode", f"a=1,causal={SHOP}"]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "origin   shop" in ran.stdout
    assert "a=1" in ran.stdout


def test_what_the_command_refuses_is_one_line_and_code_2() -> None:
    arguments = [sys.executable, "-m", "baggage", "decode", "no-such-file.bin"]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "Error: neither a file nor a header: 'no-such-file.bin'\n"


@pytest.mark.parametrize(
    "given",
    [
        f"causal={SHOP}",
        SHOP,
        f" {SHOP}\n",
        f"a=1, causal = {SHOP};p=1 , b=2",
        f"causal=%{ord(SHOP[0]):X}{SHOP[1:]}",
        f"baggage: a=1,causal={SHOP}",
        f"GET / HTTP/1.1\r\nHost: here\r\nBaggage:a=1\r\nBAGGAGE: causal={SHOP}\r\n\r\n",
        f"* Connected\n> GET / HTTP/1.1\n> baggage: causal={SHOP}\n< HTTP/1.1 200 OK\n",
        f"PATH=/bin\nBAGGAGE=causal={SHOP}\nHOME=/",
        f'export BAGGAGE="causal={SHOP}"',
    ],
)
def test_our_bytes_are_found(given: str, tmp_path: Path) -> None:
    file = tmp_path / "given"
    file.write_text(given)
    assert data(str(file)) == data("-", given=given.encode()) == data(given)
    assert data(given)["origin"] == "shop"


def test_raw_bytes_are_a_message(tmp_path: Path) -> None:
    file = tmp_path / "message.bin"
    file.write_bytes(blob := fit(packed(), origin="shop").blob)
    read = data(str(file))
    assert read == data("-", given=blob)
    assert (read["message"], read["member"], read["header"]) == ({"bytes": len(blob)}, None, None)


@pytest.mark.parametrize("case", VECTORS["read"], ids=lambda case: str(case["name"]))
def test_a_golden_vector_says_what_it_says(case: dict[str, Any]) -> None:
    read = data(armour(bytes.fromhex(case["bytes"])) or "causal=")
    assert read["origin"] == case["origin"]
    assert read["over"] == case["over"]
    assert read["refused"] == []
    merged = {block["root"] for block in case["blocks"]} | {loan["root"] for loan in case["lent"]}
    assert [root["root"] for root in read["roots"]] == sorted(merged)
    merging = [entry for block in case["blocks"] for entry in block["entries"]]
    assert sorted(entry["key"] for entry in read["entries"]) == sorted(
        entry["key"] for entry in [*merging, *case["down"], *case["home"]]
    )
    one_way = {entry["key"] for entry in [*case["down"], *case["home"]]}
    shows = {name.partition("\0")[0]: values for name, values in read["shows"].items()}
    assert set(shows) | one_way == set(case["shows"])
    for name in set(shows) - {"cart"}:
        assert shows[name] == case["shows"][name]


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: str(case["name"]))
def test_what_is_no_message_is_refused_in_whole_or_in_part(case: dict[str, Any]) -> None:
    result = run("--json", armour(bytes.fromhex(case["bytes"])))
    if result.exit_code == 0:
        (reason,) = json.loads(result.stdout)["refused"]
        assert case["because"].encode("ascii", "backslashreplace").decode() in reason
    else:
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("tree", "written", "bits"),
    [(3, "3", 7), (b"\x64\xc8", "(1, 0, 1)", 16), (b"\x79\x33\x20", "(1, (0, 1, 0), 1)", 22)],
)
def test_a_stamp_is_written_as_in_the_paper(tree: int | bytes, written: str, bits: int) -> None:
    text = told("-", given=encode(WireBaggage((WireBlock(ROOT, tree),))))
    assert f"r1  0000000000000007  stamp  (0, {written})  {bits} bits" in text


def test_lent_ids_are_shown() -> None:
    blob = fit(packed().split()[0], lending=True).blob
    assert data("-", given=blob)["roots"][0]["id"] == [1, 0]
    text = told("-", given=blob)
    assert "stamp  ((1, 0), " in text
    assert "lent" in text
    alone, twice = (
        encode(WireBaggage(lent=(WireLoan(ROOT, encode_id(SEED)),) * times)) for times in (1, 2)
    )
    (reason,) = data("-", given=twice)["refused"]
    assert reason == "what is lent: an id that is lent twice, or owns nothing"
    assert data("-", given=alone)["roots"] == [
        {"root": "0000000000000007", "id": 1, "events": 0, "bits": 7}
    ]


@pytest.mark.parametrize("case", VECTORS["lent ids refused"], ids=lambda case: str(case["name"]))
def test_ids_that_nobody_takes_are_not_shown(case: dict[str, Any]) -> None:
    read = data("-", given=bytes.fromhex(case["bytes"]))
    assert [each["id"] for each in read["roots"]] == [0] * len(read["roots"])
    assert "what is lent" in read["refused"][-1]
    assert len(read["refused"]) == 1 + ("because" in case)


def test_entries_are_shown_with_all_that_they_have() -> None:
    entries = {entry["key"]: entry for entry in data("-", given=fit(packed()).blob)["entries"]}
    assert {name: entry["direction"] for name, entry in entries.items()} == {
        "d": "down",
        "h": "home",
        "n": "both",
        "raw": "both",
        "total": "both",
        "who": "both",
    }
    assert entries["d"]["priority"] == 20
    assert entries["who"]["type"] == "last"
    assert entries["raw"]["value"] == {"raw": "ff"}
    assert entries["total"]["dot"]["height"].isdecimal()


def test_sizes_add_up_to_the_message() -> None:
    blob = fit(EMPTY.pack(DOWN, 1).pack(HOME, b"x" * 200), origin="shop").blob
    read = data("-", given=blob)
    assert sum(entry["bytes"] for entry in read["entries"]) == len(blob) - len("..shop")


def test_sizes_stand_against_the_budget() -> None:
    header = write_header(packed(), origin="shop")
    read = data(f"a=1,{header}")
    assert read["member"] == {"bytes": len(header), "budget": 4096}
    assert (read["header"]["bytes"], read["header"]["members"]) == (len(header) + 4, 2)
    assert f"{len(header)} bytes of a budget of 200" in told("--budget", "200", header)
    assert "budget of 0" in told("--budget", "0", header)


def test_what_a_reader_gets_is_shown_where_it_is_not_what_was_packed() -> None:
    text = told("-", given=fit(packed()).blob)
    assert "total" in text.partition("read as")[2]
    assert "7" in text.partition("read as")[2]
    assert "raw" not in text.partition("read as")[2]


def test_what_was_left_out_for_lack_of_room_is_shown() -> None:
    blob = fit(EMPTY.pack("a", 1).pack(Key("z", priority=200), "x" * 99), 60).blob
    assert data("-", given=blob)["over"] == {"priority": 200, "key": "z"}
    assert "from z (priority 200) on: left out" in told("-", given=blob)
    assert "all: left out" in told("-", given=encode(WireBaggage(over=(0, ""))))


def test_a_part_that_services_refuse_is_named_and_the_others_are_shown() -> None:
    never_packed = WireBlock(ROOT, 1, (WireEntry("k", 1, 2),))
    loan = WireLoan(ROOT, b"\xff")
    nameless, down = (WireEntry("", 1),), (WireEntry("d", 1),)
    blob = encode(WireBaggage((never_packed,), None, down, nameless, lent=(loan,)))
    read = data("-", given=blob)
    assert [entry["key"] for entry in read["entries"]] == ["d"]
    assert [reason.partition(":")[0] for reason in read["refused"]] == [
        "what merges",
        "what goes home",
        "what is lent",
    ]
    assert told("-", given=blob).count("services refuse that part") == 3


def test_members_that_are_not_passed_on_are_named_with_the_reason() -> None:
    many = ",".join(f"k{number}=" for number in range(66))
    read = data(f"a b,causal={SHOP},causal=AAAA,{many}")
    lost = {each["member"]: each["because"] for each in read["header"]["lost"]}
    assert lost == {
        "a b": "no member by the grammar of the W3C",
        "causal=AAAA": "only the first member of ours counts",
        "k64=": "beyond 64 members or 8192 bytes",
        "k65=": "beyond 64 members or 8192 bytes",
    }
    assert len(read["header"]["foreign"]) == 64


def test_a_member_that_is_too_long_to_be_read_is_shown_and_named() -> None:
    blob = encode(WireBaggage(down=(WireEntry("d", b"x" * 7000),)))
    read = data(compose(armour(blob), ()))
    assert "at most 7680 bytes" in read["header"]["lost"][0]["because"]
    assert len(read["entries"]) == 1


def test_nothing_in_it_reaches_the_terminal_as_it_is() -> None:
    hostile = "\x1b[2J\x07\u202e\r\n"
    carried = EMPTY.pack(hostile, hostile).pack(DOWN, hostile).pack(f"m\0{hostile}", 1)
    ours = armour(fit(carried, origin=hostile).blob)
    text = told(f"a =\t1,b\t,causal={ours},\x1b=1")
    assert text.isascii()
    assert {sign for sign in text if not sign.isprintable()} == {"\n"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "nothing is in what was given"),
        ("  \n", "nothing is in what was given"),
        ("a=1,b=2", "the header has no member of ours, which is called causal"),
        ("baggage: a=1", "the header has no member of ours"),
        ("causal=!!", "our member of the header is not base64url"),
        ("causal=AAAA", "no service reads this: not a baggage message"),
        ("AAAA", "no service reads this: not a baggage message"),
        ("é", "no service reads this: not a baggage message"),
        ("x" * 10_000, "no service reads this"),
        ("no/such/file", "neither a file nor a header"),
        ("> GET / HTTP/1.1\n> Accept: text/html;q=1\n", "neither a file nor a header: '> GET /"),
        ("no\x01such", "no service reads this"),
    ],
)
def test_bad_input_is_one_clear_line(given: str, said: str) -> None:
    result = run(given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {said}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [bytes(1 << 20) + b"x", b"\n", bytes(70_000), b"hello, world"])
def test_bad_files_are_one_clear_line(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "given"
    file.write_bytes(content)
    result = run(str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


def test_a_folder_or_a_file_that_can_not_be_read_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(str(tmp_path)).exit_code == 2
    assert "neither a file nor a header" in run(str(tmp_path)).stderr

    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "given"
    file.touch()
    monkeypatch.setattr(Path, "open", forbidden)
    refused = run(str(file))
    assert refused.exit_code == 2
    assert refused.stderr == f"Error: can't read {file}: Permission denied\n"


@pytest.mark.parametrize("header", GARBAGE)
def test_garbage_is_shown_or_refused(header: str) -> None:
    assert run(header).exit_code in (0, 2)


def test_a_header_with_letters_that_no_header_has_is_a_header() -> None:
    read = data(f"a=é,causal={SHOP},b=\x00")
    assert read["origin"] == "shop"
    assert [each["member"] for each in read["header"]["lost"]] == ["a=\xc3\xa9", "b=\x00"]
    named = fit(EMPTY.pack("causal=", b"\xff")).blob
    assert data("-", given=named)["shows"] == {"causal=": [{"raw": "ff"}]}


def test_what_was_refused_is_said_without_a_letter_that_a_terminal_may_lack() -> None:
    refused = run("causal=%CA%1B")
    assert refused.stderr.isascii()
    assert refused.stderr.replace("\n", "").isprintable()
