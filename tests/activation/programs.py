"""Programs under `baggage run`: real processes, in an environment that nobody else set."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from baggage.boundary import write_header
from baggage.cli.run import PLACE
from baggage.values import EMPTY

HERE: Final = Path(__file__).parent
RUN: Final = (sys.executable, "-m", "baggage", "run")
_TOLD: Final = ("BAGGAGE", "FILIBUSTER", "TRACING", "PYTHONPATH", "GUNICORN", "FLASK")
_PATIENCE: Final = 300.0


def environment(**told: str) -> dict[str, str]:
    """Return an environment as a user's; without meta-applications unless some are told."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_TOLD)}
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join([beside, own.get("PATH", os.defpath)])
    return {**own, "PATH": path, "BAGGAGE_METAAPPS": "", **told}


def ran(*command: str, cwd: Path | None = None, **told: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(**told),
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )


def said(*command: str, cwd: Path | None = None, **told: str) -> Any:
    """Run a command that ends well and says nothing but JSON; return that."""
    answer = ran(*command, cwd=cwd, **told)
    assert (answer.returncode, answer.stderr) == (0, "")
    return json.loads(answer.stdout)


@dataclass(frozen=True)
class Service:
    """A service that runs, by its port."""

    port: int

    def ask(self, tenant: str = "") -> Any:
        """Ask for what is seen in there, in the name of a tenant."""
        header = write_header(EMPTY.pack("tenant", tenant), origin="test") if tenant else ""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request("GET", "/", headers={"baggage": header} if header else {})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def served(command: Sequence[str], log: Path, **told: str) -> Iterator[Service]:
    """Run a service from the applications here; `{fd}` in its command is a socket that listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening, log.open("wb") as output:
        fd, port = listening.fileno(), listening.getsockname()[1]
        process = subprocess.Popen(
            [word.replace("{fd}", str(fd)) for word in command],
            cwd=HERE / "apps",
            env=environment(**{name: text.replace("{fd}", str(fd)) for name, text in told.items()}),
            pass_fds=[fd],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        listening.close()
        try:
            yield Service(port)
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started."""
    process.terminate()
    try:
        process.wait(_PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


__all__ = ["HERE", "PLACE", "RUN", "Service", "environment", "ran", "said", "served"]
