"""How messages may arrive, and what can be asked afterwards, as of a real Zipkin server."""

from __future__ import annotations

import gzip
import json
import secrets
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from metaapps.tracing.collector import Collector, Store
from metaapps.tracing.collector.message import MAX_MESSAGE, MAX_UNZIPPED
from tests import ipv6
from tests.tracing.collector.proto_cases import TRACE, span
from tests.tracing.zipkin_server import Zipkin

JSON = "application/json"
PROTO3 = "application/x-protobuf"

# A content type, and whether the body is taken for proto3.
CONTENT_TYPES = [
    (None, False),
    ("", False),
    ("application/json", False),
    ("application/json; charset=utf-8", False),
    ("application/json;charset=latin-1", False),
    ("text/plain", False),
    ("application/x-thrift", False),
    ("application/protobuf", False),
    ("nonsense", False),
    ("application/x-protobuf", True),
    ("Application/X-Protobuf; charset=x", True),
]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def collector(store: Store) -> Iterator[Zipkin]:
    with Collector(store) as collector:
        yield Zipkin(collector.url)


def _json(trace_id: str) -> bytes:
    return f'[{{"traceId":"{trace_id}","id":"000000000000000b"}}]'.encode()


def _id() -> str:
    return "1" + secrets.token_hex(8)[1:]


def _check_content_types(server: Zipkin) -> None:
    for content_type, proto in CONTENT_TYPES:
        trace_id = _id()
        message = span().replace(TRACE, bytes.fromhex(trace_id))
        good, bad = (message, _json(trace_id)) if proto else (_json(trace_id), message)
        assert server.post(bad, content_type).status == 400, content_type
        assert server.post(good, content_type).status == 202, content_type
        assert server.trace(trace_id) == _json(trace_id)


def test_all_that_is_not_called_proto3_is_json(collector: Zipkin) -> None:
    _check_content_types(collector)


def test_to_a_real_server_all_that_is_not_called_proto3_is_json(zipkin: Zipkin) -> None:
    _check_content_types(zipkin)


def _check_zipped(server: Zipkin) -> None:
    zipped = gzip.compress(_json(trace_id := _id()))
    for body in (zipped, zipped[:-9], zipped + b"more", zipped + gzip.compress(_json(_id()))):
        assert _post(server, body, "gzip")[0] == 202
    assert server.trace(trace_id) == _json(trace_id)
    assert _post(server, zipped, "x-gzip")[0] == 202
    assert _post(server, gzip.compress(b"[]"), "gzip")[0] == 202
    assert _post(server, b"", "gzip")[0] == 202
    assert _post(server, gzip.compress(b""), "gzip")[0] == 400
    assert _post(server, zipped, "deflate")[0] == 400
    assert _post(server, _json(_id()), "identity")[0] == 202


def test_messages_may_be_zipped(collector: Zipkin) -> None:
    _check_zipped(collector)
    assert _post(collector, _json(_id()), "gzip") == (
        400,
        b"not gzip: Error -3 while decompressing data: incorrect header check\n",
    )


def test_a_real_server_takes_messages_zipped(zipkin: Zipkin) -> None:
    _check_zipped(zipkin)
    assert _post(zipkin, _json(_id()), "gzip")[0] == 500


def _large(size: int) -> bytes:
    begin = b'[{"traceId":"1","id":"1","name":"'
    return begin + b"x" * (size - len(begin) - 3) + b'"}]'


def test_a_message_has_as_many_bytes_as_the_real_server_takes(collector: Zipkin) -> None:
    assert _post(collector, _large(MAX_MESSAGE), "")[0] == 202
    # Refused before it is read: the sender may not even get to read that.
    with socket.create_connection(_address(collector)) as connection:
        connection.sendall(b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\n")
        connection.sendall(f"Content-Length: {MAX_MESSAGE + 1}\r\n\r\n".encode())
        assert connection.makefile("rb").readline().split()[1] == b"413"


def test_a_real_server_takes_as_many_bytes(zipkin: Zipkin) -> None:
    assert _post(zipkin, _large(MAX_MESSAGE), "")[0] == 202
    try:
        status, text = _post(zipkin, _large(MAX_MESSAGE + 1), "")
    except OSError:
        return  # it hung up on us
    assert (status, text) == (500, b"413 Request Entity Too Large")


def test_a_message_unzips_to_so_many_bytes_and_no_more(collector: Zipkin, store: Store) -> None:
    assert _post(collector, gzip.compress(_large(MAX_UNZIPPED + 1)), "gzip")[0] == 400
    assert store.traces() == ()


def test_a_message_may_come_in_chunks(collector: Zipkin) -> None:
    body = _json(trace_id := _id())
    connection = HTTPConnection(*_address(collector), timeout=300)
    connection.request("POST", "/api/v2/spans", iter([body[:7], body[7:]]), encode_chunked=True)
    assert connection.getresponse().status == 202
    connection.close()
    assert collector.trace(trace_id) == body


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: x",
        b"Content-Length: -1",
        b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
    ],
)
def test_a_length_that_is_none_is_refused(headers: bytes, collector: Zipkin) -> None:
    with socket.create_connection(_address(collector)) as connection:
        connection.sendall(b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n")
        assert connection.makefile("rb").readline().split()[1] in {b"400", b"413"}
    assert collector.get("/health").status == 200


def _check_questions(server: Zipkin) -> None:
    service = f"shop-{_id()}"
    begun = time.time_ns() // 1_000 - 60_000_000
    first, second = _id(), _id()
    for at, (trace_id, name, tags) in enumerate(
        [(first, "GET /A", {"error": "", "k": "v"}), (second, "get /b", {})]
    ):
        message = {
            "traceId": trace_id,
            "id": "1",
            "name": name,
            "timestamp": begun + 5_000 * at,
            "duration": 1_000 * (at + 1),
            "localEndpoint": {"serviceName": service},
            "remoteEndpoint": {"serviceName": f"db-{at}"},
            "annotations": [{"timestamp": begun, "value": f"note {at}"}],
            "tags": tags,
        }
        assert server.post(json.dumps([message]).encode()).status == 202
        server.trace(trace_id)

    def asked(question: str) -> list[str]:
        found = server.get(f"/api/v2/traces?serviceName={service}&{question}").json
        return [trace[0]["traceId"] for trace in found]

    assert asked("") == [second, first]
    assert asked("limit=1") == [second]
    assert asked("spanName=get%20/a") == [first]
    assert asked("spanName=GET%20/A") == [first]
    assert asked("remoteServiceName=db-1") == [second]
    assert asked("minDuration=1500") == [second]
    assert asked("minDuration=1&maxDuration=1500") == [first]
    assert asked("annotationQuery=error") == [first]
    assert asked("annotationQuery=k%3Dv%20and%20error") == [first]
    assert asked("annotationQuery=k%3Dw") == []
    assert asked("annotationQuery=note%201") == [second]
    assert asked("endTs=1000&lookback=1000") == []
    assert asked(f"endTs={begun // 1000 - 1}") == []
    assert service in server.get("/api/v2/services").json
    assert server.get(f"/api/v2/spans?serviceName={service}").json == ["get /a", "get /b"]
    assert server.get(f"/api/v2/remoteServices?serviceName={service}").json == ["db-0", "db-1"]
    for bad in ("traces?limit=0", "traces?limit=x", "traces?endTs=x", "dependencies", "spans"):
        assert server.get(f"/api/v2/{bad}").status == 400, bad
    for bad, status in (("xyz", 400), ("ABC", 400), ("0", 400), ("1" * 33, 400), (_id(), 404)):
        assert server.get(f"/api/v2/trace/{bad}").status == status, bad
    assert server.get("/health").json["status"] == "UP"
    assert server.get("/nowhere").status == server.post(b"[]", path="/nowhere").status == 404


def test_questions_are_answered(collector: Zipkin) -> None:
    _check_questions(collector)


def test_a_real_server_answers_questions_so(zipkin: Zipkin) -> None:
    _check_questions(zipkin)


def _check_pieces(server: Zipkin) -> None:
    trace_id, long_id = _id(), "1234567890123456" + _id()
    pieces = [
        {"traceId": trace_id, "id": "b", "timestamp": 5_000},
        {"traceId": trace_id, "id": "a", "timestamp": 1_000},
        {"traceId": trace_id, "id": "b", "timestamp": 5_001, "duration": 5},
        {"traceId": trace_id, "id": "b", "timestamp": 5_000},
        {"traceId": long_id, "id": "c"},
    ]
    for piece in pieces:
        assert server.post(json.dumps([piece]).encode()).status == 202
    server.trace(long_id)
    kept = json.loads(server.trace(trace_id, spans=3))
    assert [(span["id"][-1], span.get("duration")) for span in kept] == [
        ("b", None),
        ("b", 5),
        ("a", None),
    ]


def test_pieces_of_a_span_stay_pieces_and_what_came_twice_is_kept_once(collector: Zipkin) -> None:
    _check_pieces(collector)


def test_a_real_server_keeps_pieces_so(zipkin: Zipkin) -> None:
    _check_pieces(zipkin)


def test_the_page_shows_the_traces(collector: Zipkin) -> None:
    trace_id = _id()
    collector.post(f'[{{"traceId":"{trace_id}","id":"b","name":"</script>"}}]'.encode())
    for path in ("/", "/zipkin/", f"/zipkin/traces/{trace_id}"):
        answer = collector.get(path)
        assert answer.status == 200
        assert trace_id in answer.text
    assert "1 trace" in collector.get("/").text
    assert collector.get(f"/zipkin/traces/{_id()}").status == 404
    assert collector.get("/zipkin/traces/x").status == 400


@ipv6.needed
def test_it_may_listen_at_an_address_of_ipv6(store: Store) -> None:
    with Collector(store, host="::1") as collector:
        assert collector.url.startswith("http://[::1]:")
        assert Zipkin(collector.url).get("/health").status == 200


def test_an_empty_page_is_a_page(collector: Zipkin) -> None:
    assert collector.get("/").status == 200


def test_the_oldest_traces_go_when_there_are_too_many_bytes() -> None:
    sizes = len(_json(_id())) - 2
    store = Store(max_bytes=3 * sizes)
    ids = [_id() for _ in range(5)]
    with Collector(store) as collector:
        server = Zipkin(collector.url)
        for trace_id in ids:
            assert server.post(_json(trace_id)).status == 202
        kept = [server.get(f"/api/v2/trace/{trace_id}").status for trace_id in ids]
        assert kept == [404, 404, 200, 200, 200]
        assert store.dropped == 2
        assert "3 traces, 2 older ones were dropped" in server.get("/").text


def _address(server: Zipkin) -> tuple[str, int]:
    parts = urlsplit(server.url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def _post(server: Zipkin, body: bytes, encoding: str) -> tuple[int, bytes]:
    connection = HTTPConnection(*_address(server), timeout=300)
    try:
        headers = {"Content-Type": JSON, "Content-Encoding": encoding}
        connection.request("POST", "/api/v2/spans", body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/", 200), ("/nowhere", 404)])
def test_a_look_at_the_head_has_no_body(collector: Zipkin, path: str, status: int) -> None:
    connection = HTTPConnection(urlsplit(collector.url).netloc, timeout=300)
    for _ in range(2):  # What was sent beyond the head would be the second answer.
        connection.request("HEAD", path)
        response = connection.getresponse()
        assert (response.status, response.read()) == (status, b"")
        assert int(response.headers["Content-Length"]) == len(collector.get(path).body)
    connection.close()
