"""What the command line says, and what can be found wrong with it before anything starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from metaapps.filibuster.catalogue import DEFAULT, Catalogue, load_analysis
from metaapps.filibuster.cli.outcome import JobError
from metaapps.filibuster.coordinator import HOST as LOOPBACK
from metaapps.filibuster.coverage.recording import Recording
from metaapps.filibuster.explore import Limits, Search, search_for
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
    minimal: bool = False
    exhaustive: bool = False
    order: str = "canonical"
    seed: int = 0
    workers: str = "1"
    executor: str | None = None
    coordinator: str = LOOPBACK
    serial: bool = False
    reset: str | None = None
    check_interference: int | None = None
    resume: bool = False
    verbose: bool = False
    test_timeout: float = 60.0
    settle: float = 2.0
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


def wanted_search(options: Options) -> Search:
    """Return how to search; a SearchError where options don't go together."""
    limits = Limits(
        options.fail_fast,
        options.max_faults,
        options.max_executions,
        options.max_time,
        options.minimal,
    )
    return search_for(
        reduction="none" if options.disable_dynamic_reduction else options.reduction,
        ignore_answers=options.ignore_answers,
        order=options.order,
        seed=options.seed,
        limits=limits,
        exhaustive=options.exhaustive,
    )


def check_options(options: Options) -> None:
    """Refuse what doesn't go together: a JobError says which option to leave out."""
    for wrong, why in _contradictions(options):
        if wrong:
            raise JobError(why)


def _contradictions(options: Options) -> Iterator[tuple[bool, str]]:
    chosen = [name for name, given in _of_a_search(options) if given]
    told = ", ".join(chosen)
    yield (
        options.only_initial_execution and bool(options.fault),
        "--fault and --only-initial-execution: leave one of them out",
    )
    yield (
        bool(options.fault and chosen),
        f"--fault tries its faults alone, and searches for no others: leave {told} out",
    )
    yield (
        options.counterexample_file is not None and bool(options.fault or chosen),
        f"--counterexample-file is replayed and nothing else: leave {told or '--fault'} out",
    )
    yield (
        options.only_initial_execution and bool(chosen),
        f"--only-initial-execution searches for nothing: leave {told} out",
    )
    yield (
        options.disable_dynamic_reduction and options.reduction not in ("dynamic", "none"),
        f"--disable-dynamic-reduction and --reduction {options.reduction}: leave one of them out",
    )
    yield (
        bool(options.seed) and options.order != "random",
        "--seed is for --order random: add that, or leave --seed out",
    )
    yield (
        (options.serial or options.reset is not None) and options.workers not in ("1", "auto"),
        f"--serial and --reset run one execution at a time: leave --workers {options.workers} out",
    )


def _of_a_search(options: Options) -> Iterator[tuple[str, bool]]:
    """Yield the options that only a search has a use for, and whether they were given."""
    yield "--resume", options.resume
    yield "--exhaustive", options.exhaustive
    yield "--fail-fast", options.fail_fast
    yield "--max-faults", options.max_faults is not None
    yield "--max-executions", options.max_executions is not None
    yield "--max-time", options.max_time is not None
    yield "--minimal", options.minimal
    yield "--ignore-answers", bool(options.ignore_answers)
    yield "--order", options.order != "canonical"
    yield "--check-interference", options.check_interference is not None
