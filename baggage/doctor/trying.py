"""Runs self-tests: each in a process of its own, several at once, none longer than it may take."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from baggage.doctor import surroundings
from baggage.doctor.census import Census
from baggage.doctor.probes.probe import Peers
from baggage.doctor.trial import Result, Trial

LIMIT: Final = 30.0
"""Seconds that a self-test may take."""
Told = Callable[[str, Trial], object]


def try_all(
    libraries: Iterable[str], peers: Peers, told: Told, limit: float = LIMIT
) -> dict[str, Trial]:
    """Try libraries, as many at once as there are processors; tell of each as it is over."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        trying = {pool.submit(try_one, each, peers, limit): each for each in libraries}
        trials = {}
        for over in as_completed(trying):
            library = trying[over]
            trials[library] = over.result()
            told(library, trials[library])
    return trials


def try_one(library: str, peers: Peers, limit: float = LIMIT) -> Trial:
    """Try a library in a process of its own; one that crashes or hangs has failed."""
    arguments = (library, peers.redis, peers.amqp, peers.kafka)
    ran = _run("trial", arguments, limit, apart=True)
    if ran.answer is None:
        return Trial(Result.FAILED, ran.end, ran.said)
    trial = Trial(Result(ran.answer["result"]), ran.answer["reason"], ran.answer["details"])
    if trial.result is not Result.FAILED or not ran.said:
        return trial
    details = f"{trial.details}\nwhat its process said:\n{ran.said}".strip()
    return replace(trial, details=details)


def counted(limit: float = LIMIT) -> tuple[Census | None, str]:
    """Return what a process that is started here is like; None, and why that isn't known."""
    ran = _run("census", (), limit, apart=False)
    if ran.answer is None:
        last = ran.said.strip().rpartition("\n")[2]
        return None, f"what a process is like that is started here is not known: {ran.end}: {last}"
    return Census.of_json(ran.answer), ""


@dataclass(frozen=True, slots=True)
class _Ran:
    """What came of a process: its answer, or how it ended without one; and what it said."""

    answer: dict[str, Any] | None
    end: str
    said: str


def _run(what: str, arguments: Sequence[str], limit: float, *, apart: bool) -> _Ran:
    with TemporaryDirectory(prefix="baggage-doctor-", ignore_cleanup_errors=True) as home:
        file, said = Path(home) / "answer.json", Path(home) / "said"
        command = [sys.executable, "-m", "baggage.doctor.child", str(file), what, *arguments]
        with said.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=home if apart else None,
                env=surroundings.apart() if apart else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            end = _awaited(process, limit)
        told = said.read_text("utf-8", "replace").strip()
        try:
            return _Ran(json.loads(file.read_text("utf-8")), end, told)
        except (OSError, ValueError):
            return _Ran(None, end, told)


def _awaited(process: subprocess.Popen[bytes], limit: float) -> str:
    """Wait for a process, no longer than that, and say how it ended."""
    try:
        return f"its process ended with {_how(process.wait(limit))}"
    except subprocess.TimeoutExpired:
        return f"it took longer than {limit:g} s: something hangs"
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and whatever it started and left behind."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"
