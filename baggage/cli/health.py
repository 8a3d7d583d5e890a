"""A report of the doctor's, as lines of text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from baggage.cli.sections import GAP, section
from baggage.doctor.census import Census
from baggage.doctor.installed import Library
from baggage.doctor.report import Report
from baggage.doctor.trial import Result, Trial

_LONGEST: Final = 60


def lines(report: Report, *, verbose: bool = False) -> Iterator[str]:
    """Yield all lines; with `verbose` also what was said by tests that failed."""
    yield f"baggage  {report.version}  {report.location}"
    yield f"Python   {report.python}  {report.executable}"
    if report.census is not None:
        yield from section("a process that is started here", _process(report, report.census))
        yield from section("meta-applications", _metaapps(report.census))
    active = frozenset(report.census.active if report.census is not None else ())
    yield from section("libraries", _libraries(report, active))
    yield from section("warnings", ((line,) for line in report.warnings()))
    yield from section("illnesses", ((line,) for line in report.illnesses()))
    if verbose:
        yield from _details(report)
    yield ""
    yield _summary(report)


def _process(report: Report, census: Census) -> Iterator[Sequence[str]]:
    if census.disabled:
        yield "activated", "no: it's disabled"
    elif census.activated:
        yield "activated", "yes, before it runs a line of its own"
    elif report.bootstraps:
        yield "activated", f"no, though {report.bootstraps[0]} is on PYTHONPATH"
    else:
        how = "by baggage run -- …, import baggage.auto, or baggage.instrument()"
        yield "activated", f"not by itself: {how}"
    yield "service", census.service or "as its program is called"
    yield "libraries", f"{len(census.active)} would be instrumented as soon as they are imported"
    for each in census.settings:
        yield "setting", f"{each.name} = {_cut(each.value)}  ({each.source})"


def _metaapps(census: Census) -> Iterator[Sequence[str]]:
    for app in census.metaapps:
        state = "registered" if app.registered else f"not registered: {app.reason}"
        yield app.name, f"{app.distribution} {app.version}".strip(), state
    if not census.metaapps:
        yield ("none is installed",)


def _libraries(report: Report, active: frozenset[str]) -> Iterator[Sequence[str]]:
    for each in report.libraries:
        state = ("on" if each.name in active else "off") if each.found else ""
        yield each.name, *_installed(each), state, _trial(report.trials.get(each.name))


def _installed(library: Library) -> tuple[str, str]:
    if library.standard:
        return "part of Python", ""
    wants = library.wants.replace(">=", "≥ ") or "any version"
    if not library.found:
        return "not installed", wants
    if library.supported is False:
        return library.version, f"NOT SUPPORTED: {wants}"
    return library.version or "unknown version", wants


def _trial(trial: Trial | None) -> str:
    if trial is None:
        return ""
    if trial.result is Result.FAILED:
        return "FAILED"
    return f"{trial.result}: {trial.reason}" if trial.reason else str(trial.result)


def _details(report: Report) -> Iterator[str]:
    for library, trial in sorted(report.trials.items()):
        if trial.details:
            yield ""
            yield f"{library}: {trial.reason}"
            yield from (f"{GAP}{line}".rstrip() for line in trial.details.splitlines())


def _summary(report: Report) -> str:
    found = sum(each.found for each in report.libraries)
    results = Counter(trial.result for trial in report.trials.values())
    tested = ", ".join(f"{results[each]} {each}" for each in Result if results[each])
    verdict = "healthy" if report.healthy else "not healthy"
    tried = f"self-tests: {tested}" if tested else "no self-test was run"
    return f"{verdict}; {found} of {len(report.libraries)} libraries found; {tried}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
