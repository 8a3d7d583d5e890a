"""What the command line says, and what can be found wrong with it before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from metaapps.filibuster.catalogue import DEFAULT, Catalogue, load_analysis
from metaapps.filibuster.cli.outcome import JobError
from metaapps.filibuster.coverage.recording import Recording
from metaapps.filibuster.foreign.catalogue import FOREIGN_DEFAULT
from metaapps.filibuster.foreign.server import HOST, PORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `run` and `replay`; paths are relative to the working directory.

    A `recording` is where the coverage of the services that are started goes.
    """

    functional_test: str | None = None
    services_file: Path | None = None
    analysis_file: Path | None = None
    counterexample_file: Path | None = None
    only_initial_execution: bool = False
    fault: tuple[str, ...] = ()
    reduction: str = "dynamic"
    disable_dynamic_reduction: bool = False
    ignore_answers: tuple[str, ...] = ()
    by_payload: bool = False
    latency: str = "simulated"
    fail_fast: bool = False
    max_faults: int | None = None
    max_executions: int | None = None
    max_time: float | None = None
    exhaustive: bool = False
    order: str = "canonical"
    seed: int = 0
    workers: str = "1"
    executor: str | None = None
    serial: bool = False
    reset: str | None = None
    check_interference: int | None = None
    resume: bool = False
    test_timeout: float = 60.0
    foreign: bool = False
    host: str = HOST
    port: int = PORT
    recording: Recording | None = None


def wanted_test(spec: str | None) -> str:
    """Return the functional test that was named; a JobError if none was."""
    if not spec:
        raise JobError("name a functional test: --functional-test FILE")
    return spec


def wanted_catalogue(options: Options) -> Catalogue:
    """Return the faults to try; an AnalysisError for a file that names none."""
    if options.analysis_file is not None:
        return load_analysis(options.analysis_file)
    return FOREIGN_DEFAULT if options.foreign else DEFAULT
