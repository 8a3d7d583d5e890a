"""What `filibuster replay` does: one counterexample, run again."""

from __future__ import annotations

from metaapps.filibuster import counterexample
from metaapps.filibuster.cli.options import Options, wanted_test
from metaapps.filibuster.cli.outcome import ExitCode, JobError
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.cli.session import open_session
from metaapps.filibuster.counterexample import Counterexample
from metaapps.filibuster.observation import Execution, Role


def replay(options: Options, report: Report) -> ExitCode:
    """Run a counterexample's plan, and say whether the test still fails under it."""
    if options.counterexample_file is None:
        raise JobError("name a counterexample file")
    known = counterexample.load(options.counterexample_file)
    spec = wanted_test(options.functional_test or known.functional_test)
    with open_session(spec, options, report) as session:
        # What was recorded may have happened after the test only.
        run = session.run_and_wait if is_of_services(known.summary) else session.run
        execution = run(known.plan)
    report.execution(execution, "Replay")
    _check_that_it_was_hit(known, execution)
    if execution.failure is None:
        report.line(
            "[green]The counterexample passes now[/]: its faults were hit, the test passed."
        )
        return ExitCode.PASSED
    same = _kind(execution.failure.summary) == _kind(known.summary)
    report.line(
        "[red]Reproduced[/]: the test fails as recorded."
        if same
        else "[red]The test fails, but otherwise than recorded[/], which was:"
    )
    if not same:
        report.quote(known.summary)
    return ExitCode.COUNTEREXAMPLE


def _check_that_it_was_hit(known: Counterexample, execution: Execution) -> None:
    if execution.deaths:
        return  # Who did not survive it can't tell any more.
    unhit = [
        call or planned.label or planned.index.hex()
        for planned, call in zip(known.plan.faults, known.calls, strict=True)
        if planned.index not in execution.fired and not planned.optional
    ]
    if not unhit:
        return
    if all(seen.by_test or seen.role is not Role.CALL for seen in execution.observations):
        raise JobError(
            "not reproduced: no service was seen to call another; do they run, are they "
            "instrumented, and was injection switched on in them?"
        )
    raise JobError(
        f"not reproduced: the call {' and '.join(unhit)} is no longer made as recorded "
        "(other place, operation or order), so no fault was injected there: run again"
    )


def is_of_services(summary: str) -> bool:
    """Say whether a failure is that services ended."""
    return summary.startswith("service ")


def _kind(summary: str) -> str:
    """Return the part of a failure that does not change with lines and values."""
    return summary.split(":", 1)[0].split(" (", 1)[0]
