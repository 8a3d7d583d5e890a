"""Where the showcase's commands run: a copy of it, with Redis beside it and the meter installed.

What is told of them is the demo's business.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from metaapps.filibuster.services import status

HERE = Path(__file__).absolute().parent
LEFT_OVER = ("__pycache__", ".filibuster", "counterexample.json")
TRACES = "traces.json"
PATIENCE = 60.0


class UnexpectedError(Exception):
    """A command did not come to what the showcase promises."""


@dataclass(frozen=True)
class Shell:
    """A directory with a copy of the showcase, and the environment that commands get there."""

    directory: Path
    environment: Mapping[str, str]

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command; return what it wrote. Raise if its exit code is not `code`."""
        process = subprocess.Popen(
            command,
            cwd=self.directory,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            written, _ = process.communicate()
        except BaseException:
            end(process)
            raise
        if process.returncode != code:
            line = " ".join(command)
            raise UnexpectedError(f"{line!r} ended with {process.returncode}:\n{written[-3000:]}")
        return written

    def among_services(self) -> Shell:
        """Return a shell whose commands find the services that run."""
        running = status(self.directory / ".filibuster")
        if running is None:
            raise UnexpectedError("no services run")
        return Shell(self.directory, {**self.environment, **running.environment})

    @contextmanager
    def services(self, file: str) -> Iterator[None]:
        """Have the services of a file run in a block."""
        self.run("filibuster", "services", "start", file)
        try:
            yield
        finally:
            self.run("filibuster", "services", "stop")


@contextmanager
def prepared(directory: Path, **settings: str) -> Iterator[Shell]:
    """Copy the showcase to a directory, install the meter, and start Redis where that's there.

    Where REDIS_URL names a Redis, that is taken. Without any the showcase does without.
    """
    ignored = shutil.ignore_patterns(*LEFT_OVER)
    shutil.copytree(HERE, directory, dirs_exist_ok=True, ignore=ignored)
    environment = {**os.environ, "TRACING_FILE": str(directory / TRACES), **settings}
    beside = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join([beside, environment.get("PATH", os.defpath)])
    environment["PYTHONPATH"] = str(installed(directory))
    with redis(directory, environment) as url:
        yield Shell(directory, {**environment, **({"REDIS_URL": url} if url else {})})


def installed(directory: Path) -> Path:
    """Build the meter's wheel and install it as any distribution is, offline; return where."""
    wheels, target = directory / "wheels", directory / "site-packages"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=directory / "meter", check=True, capture_output=True)
    (wheel,) = wheels.glob("showcase_meter-*.whl")
    install = ["install", "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", *install, "--target", str(target), str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    return target


@contextmanager
def redis(directory: Path, environment: Mapping[str, str]) -> Iterator[str | None]:
    """Have a Redis of one's own in a block; yields its URL, None if there is none to be had."""
    if "REDIS_URL" in environment or shutil.which("redis-server") is None:
        yield environment.get("REDIS_URL")
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = ("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "")
    log = directory / "redis.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output)
    try:
        until = time.monotonic() + PATIENCE
        while "Ready to accept connections" not in log.read_text(errors="replace"):
            if server.poll() is not None or time.monotonic() > until:
                raise UnexpectedError(f"redis-server does not start:\n{log.read_text()}")
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        end(server)


def end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """End a command; the services that it started end with it."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
