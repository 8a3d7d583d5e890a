"""A real Zipkin server: where its jar comes from, how it is started, and what is asked of it.

One server serves all processes of a test run. `BAGGAGE_ZIPKIN_URL` names one that runs already.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from tests.shared_server import Server, home, joined, locked

VERSION: Final = "3.5.1"
_ARTIFACT: Final = f"io.zipkin:zipkin-server:{VERSION}:jar:slim"
_JAR: Final = f"zipkin-server-{VERSION}-slim.jar"
_COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_SERVING: Final = re.compile(r"Serving HTTP at .* - (http://127\.0\.0\.1:\d+)/")
_PATIENCE: Final = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, body, and the one line that a refusal is."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode().strip()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Zipkin:
    """Speaks Zipkin's HTTP API with whoever serves it at `url`, which has no slash at its end."""

    url: str

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, None, {})

    def post(
        self,
        body: bytes,
        content_type: str | None = "application/json",
        *,
        zipped: bool = False,
        path: str = "/api/v2/spans",
    ) -> Answer:
        headers = {} if content_type is None else {"Content-Type": content_type}
        if zipped:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body)
        return self._ask("POST", path, body, headers)

    def trace(self, trace_id: str, *, spans: int = 1) -> bytes:
        """Return a trace as it is stored, once it has that many spans.

        Spans are stored after they are acknowledged.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            answer = self.get(f"/api/v2/trace/{trace_id}")
            if answer.status == 200 and len(answer.json) >= spans:
                return answer.body
            if time.monotonic() > deadline:
                raise TimeoutError(f"{spans} spans of {trace_id} never came: {answer.text}")
            time.sleep(0.02)

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=_PATIENCE)
        try:
            connection.request(method, path, body, headers | {"b3": "0"})
            response = connection.getresponse()
            # The real server writes zeros after a list with both U+2028 and letters beyond ASCII.
            return Answer(response.status, response.read().rstrip(b"\0"))
        finally:
            connection.close()


@pytest.fixture(scope="session")
def zipkin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zipkin]:
    """Give a real server, the same to all workers of a run, or skip with the reason."""
    if url := os.environ.get("BAGGAGE_ZIPKIN_URL"):
        yield Zipkin(url.rstrip("/"))
        return
    for program, package in (("java", "Java 17"), ("mvn", "Maven")):
        if shutil.which(program) is None:
            pytest.skip(f"a real Zipkin server needs {package}: {program!r} is not installed")
    try:
        jar()
    except RuntimeError as error:
        pytest.skip(str(error))
    with joined(SERVER, home(SERVER, tmp_path_factory)) as url:
        yield Zipkin(url)


def cache() -> Path:
    """Return a directory, outside of the tree, for what tests fetch."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "baggage-tests"
    home.mkdir(parents=True, exist_ok=True)
    return home


def jar() -> Path:
    """Return the server's jar, which Maven fetches the first time into the user's cache.

    Raises RuntimeError with Maven's words if that fails.
    """
    found = cache() / _JAR
    with locked(cache() / "zipkin.lock"):
        if found.exists():
            return found
        with tempfile.TemporaryDirectory(dir=cache()) as fresh:
            command = ["mvn", "-q", "-B", _COPY, f"-Dartifact={_ARTIFACT}"]
            command.append(f"-DoutputDirectory={fresh}")
            done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"Maven can't fetch {_ARTIFACT}: {done.stdout}{done.stderr}")
            (Path(fresh) / _JAR).replace(found)
    return found


def _command() -> list[str]:
    flags = ["-Xms32m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    bound = {"ip": "127.0.0.1", "port": "0", "protocols[0]": "http"}
    settings = [f"--armeria.ports[0].{name}={value}" for name, value in bound.items()]
    return ["java", *flags, "-jar", str(jar()), *settings]


def _serves_at(home: Path, said: str) -> str | None:
    serving = _SERVING.search(said)
    return None if serving is None else serving[1]


SERVER: Final = Server("zipkin", lambda home: _command(), _serves_at)


if __name__ == "__main__":
    jar()
