from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from contextlib import closing
from email.utils import formatdate
from pathlib import Path
from shutil import which
from time import time
from typing import Any

import pytest

from baggage import context
from metaapps.tracing.errors import SettingError
from metaapps.tracing.export.encoding import ZIPKIN_JSON
from metaapps.tracing.export.http import HttpSink
from metaapps.tracing.export.sink import Refused, Unavailable
from tests.instrumentation.real_faults import full, refusing
from tests.tracing.export.collecting import SILENCE, Answer, Collector

MESSAGE = b'[{"traceId":"1","id":"2"}]'


def post(url: str, message: bytes = MESSAGE, **options: Any) -> None:
    with closing(HttpSink(url, ZIPKIN_JSON, **options)) as sink:
        sink.send(message)


def refusal(answer: Answer, query: str = "") -> Refused:
    server = Collector(lambda _: answer)
    with server.serving(), pytest.raises(Refused) as raised:
        post(server.url + query)
    return raised.value


def failure(answer: Answer) -> Unavailable:
    server = Collector(lambda _: answer)
    with server.serving(), pytest.raises(Unavailable) as raised:
        post(server.url)
    return raised.value


def test_a_message_is_posted_as_its_encoding_says() -> None:
    with Collector().serving() as server:
        post(server.url, headers={"Authorization": "Bearer x"})
    [received] = server.received
    assert (received.path, received.body) == ("/api/v2/spans", MESSAGE)
    assert received.headers["content-type"] == "application/json"
    assert received.headers["authorization"] == "Bearer x"


def test_nobody_is_asked_to_trace_it_and_it_carries_no_baggage() -> None:
    with Collector().serving() as server, context.attached(context.current().pack("a", "b")):
        post(server.url)
    [received] = server.received
    assert received.headers["b3"] == "0"
    assert "baggage" not in received.headers


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", "/api/v2/spans"),
        ("/", "/api/v2/spans"),
        ("/api/v2/spans", "/api/v2/spans"),
        ("/zipkin/api/v2/spans", "/zipkin/api/v2/spans"),
        ("/a/?key=1", "/a/?key=1"),
        ("?key=1", "/api/v2/spans?key=1"),
        ("/a#b", "/a"),
    ],
)
def test_a_url_with_a_path_is_taken_as_it_is(path: str, asked: str) -> None:
    with Collector().serving() as server:
        post(server.url + path)
    assert server.received[0].path == asked


@pytest.mark.parametrize(
    "url",
    [
        *("", "zipkin", "zipkin:9411", "ftp://zipkin", "http://", "http://:80", "http:///a"),
        *("http://zipkin:port", "http://zipkin:0", "http://zipkin:99999", "http://[::1"),
        *("http://zip kin/", "http://zipkin/a b", "http://zipkin/\r\nb3: 1", "http://zipkin/ä"),
    ],
)
def test_what_is_no_url_of_a_server_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingError):
        HttpSink(url, ZIPKIN_JSON)


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(SettingError) as raised:
        HttpSink("http://me:secret@zipkin:9411", ZIPKIN_JSON)
    assert "secret" not in str(raised.value)


def test_many_messages_share_a_connection() -> None:
    with Collector().serving() as server:
        sink = HttpSink(server.url, ZIPKIN_JSON)
        for _ in range(5):
            sink.send(MESSAGE)
        sink.close()
    assert len({received.client for received in server.received}) == 1
    assert len(server.received) == 5


@pytest.mark.parametrize("status", [202, 400])
def test_a_connection_that_the_server_closed_is_reopened_and_nothing_sent_twice(
    status: int,
) -> None:
    with Collector(lambda _: Answer(status, hang_up=True)).serving() as server:
        sink = HttpSink(server.url, ZIPKIN_JSON)
        for _ in range(5):
            try:
                sink.send(MESSAGE)
            except Refused:
                pass
            server.hung_up.get()
        sink.close()
    clients = [server.begun.get_nowait().client for _ in range(5)]
    assert len(set(clients)) == 5
    assert server.begun.empty()


def test_a_sink_that_was_closed_opens_again() -> None:
    with Collector().serving() as server:
        sink = HttpSink(server.url, ZIPKIN_JSON)
        for _ in range(2):
            sink.send(MESSAGE)
            sink.close()
    assert len({received.client for received in server.received}) == 2


def test_an_answer_that_never_comes_is_for_later() -> None:
    assert "RemoteDisconnected" in str(failure(Answer(SILENCE)))


def test_a_server_that_is_down_is_for_later() -> None:
    with refusing() as url, pytest.raises(Unavailable, match="refused"):
        post(url)


def test_a_server_that_never_accepts_is_not_waited_for_forever() -> None:
    with full() as url, pytest.raises(Unavailable, match="timed out"):
        post(url, timeout=0.05)


def test_a_server_that_never_answers_is_not_waited_for_forever() -> None:
    with Collector().serving() as server:
        server.gate.clear()
        with pytest.raises(Unavailable, match="timed out"):
            post(server.url, timeout=0.05)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_message_that_is_taken_raises_nothing(status: int) -> None:
    with Collector(lambda _: Answer(status)).serving() as server:
        post(server.url)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("status", "divisible"),
    [(400, True), (413, True), (401, False), (403, False), (404, False), (415, False)],
)
def test_what_is_refused_says_why_on_one_line(status: int, divisible: bool) -> None:
    why = b"\r\n no \x1b[31mgood\x00 span \xff\r\nat Codec.java:17\n" + b"x" * 100_000
    refused = refusal(Answer(status, why))
    assert str(refused).endswith(
        f"/api/v2/spans says {status} no [31mgood span \N{REPLACEMENT CHARACTER}"
    )
    assert refused.divisible == divisible


def test_a_refusal_without_a_word_is_called_by_its_name() -> None:
    assert str(refusal(Answer(404))).endswith("says 404 Not Found")


def test_what_a_query_holds_is_not_repeated() -> None:
    assert "secret" not in str(refusal(Answer(403), "?key=secret"))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_be_taken_later_is_told_from_what_may_not(status: int) -> None:
    assert f"says {status} busy" in str(failure(Answer(status, b"busy\n")))


@pytest.mark.parametrize(
    ("asked", "after"),
    [("7", 7.0), (" 0 ", 0.0), ("soon", None), ("-1", None), ("", None), ("1.5", None)],
)
def test_a_server_may_say_when(asked: str, after: float | None) -> None:
    assert failure(Answer(503, headers={"Retry-After": asked})).after == after
    assert failure(Answer(503)).after is None


@pytest.mark.parametrize(("ahead", "least", "most"), [(1000, 900, 1000), (-1000, 0, 0)])
def test_a_server_may_name_a_date(ahead: int, least: float, most: float) -> None:
    when = formatdate(time() + ahead, usegmt=True)
    after = failure(Answer(503, headers={"Retry-After": when})).after
    assert after is not None
    assert least <= after <= most


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with Collector().serving() as other:
        assert "redirects" in str(refusal(Answer(status, headers={"Location": other.url})))
    assert other.begun.empty()


def test_a_proxy_that_the_environment_names_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing() as nobody, Collector().serving() as server:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, nobody)
        post(server.url)
    assert len(server.received) == 1


def test_a_long_message_to_another_machine_is_compressed() -> None:
    message = json.dumps([{"traceId": "1", "id": str(number)} for number in range(1000)]).encode()
    with Collector().serving() as server:
        # An address that leads here, and doesn't look it.
        post(f"http://0.0.0.0:{server.port}", message)
        post(f"http://0.0.0.0:{server.port}")
        post(server.url, message)
        post(f"http://0.0.0.0:{server.port}", message, compress_above=None)
    packed = [received.headers.get("content-encoding") for received in server.received]
    assert packed == ["gzip", None, None, None]
    assert len(server.received[0].body) < len(message) / 5
    assert server.received[0].plain == message


def test_a_server_that_hangs_up_on_a_long_message_may_have_said_why() -> None:
    """Like one that refuses to read what is too long for it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sink = HttpSink(f"http://127.0.0.1:{listening.getsockname()[1]}", ZIPKIN_JSON)

        def serve() -> None:
            connection, _ = listening.accept()
            connection.recv(10)
            connection.sendall(b"HTTP/1.1 413 Too Long\r\nContent-Length: 0\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Refused, match="413") as raised:
            sink.send(b"x" * 400_000)
        sink.close()
        thread.join()
    assert raised.value.divisible


def test_a_forked_child_speaks_over_a_connection_of_its_own() -> None:
    with Collector().serving() as server:
        sink = HttpSink(server.url, ZIPKIN_JSON)
        sink.send(MESSAGE)
        sink.forked()  # No process was forked; this one is as good as its child.
        sink.send(MESSAGE)
        sink.close()
    assert len({received.client for received in server.received}) == 2


def test_https_is_spoken_and_its_connections_are_kept_and_reopened_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run(
        [*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(certificate, key)
    answers = iter([Answer(), Answer(), Answer(hang_up=True), Answer(), Answer()])
    with Collector(lambda _: next(answers)).serving(secure=secure) as server:
        url = f"https://localhost:{server.port}"
        with pytest.raises(Unavailable, match="certificate"):
            post(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        sink = HttpSink(url, ZIPKIN_JSON)
        for _ in range(3):
            sink.send(MESSAGE)
        server.hung_up.get()
        sink.send(MESSAGE)
        sink.forked()
        sink.send(MESSAGE)
        sink.close()
    clients = [received.client for received in server.received]
    assert clients[0] == clients[1] == clients[2]
    assert len(set(clients)) == 3
