"""The record of a run: a new one, or that of the run to resume, if it is the same search.

What is stored, and how, is `store`'s business.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Final

from metaapps.filibuster.cli.options import Options
from metaapps.filibuster.cli.report import Report, counted
from metaapps.filibuster.cli.standing import STATE
from metaapps.filibuster.store import FILE, Fingerprint, Record, Store

STORE: Final = STATE / FILE
_TEST: Final = "the functional test"
_FAULTS: Final = "the analysis file"
_SCOPE: Final = (_FAULTS, "--by-payload", "--latency", "--foreign")


@contextmanager
def open_record(options: Options, spec: str, report: Report) -> Iterator[Record]:
    """Yield the record of a new run, or with --resume of the last one of the same test.

    Raises StoreError for a store that can't be used, and where the last run was another search.
    """
    fingerprint = fingerprint_of(options, spec)
    with Store.open(STORE) as store:
        record = store.resume(fingerprint) if options.resume else None
        if record is not None:
            report.line(
                f"resumed: {counted(len(record), 'execution')} from the store (run {record.run})"
            )
        elif options.resume:
            report.line("nothing to resume: no run of this test was cut off here")
        yield record or store.begin(fingerprint)


def fingerprint_of(options: Options, spec: str) -> Fingerprint:
    """Return what has to be the same for a run to be resumed: all but where to stop, and speed."""
    paths = _paths(spec)
    contents = {_TEST: _digest(paths), _FAULTS: _digest(_given(options.analysis_file))}
    contents["the file of services"] = _digest(_given(options.services_file))
    reduction = "none" if options.disable_dynamic_reduction else options.reduction
    said = {
        "--reduction": reduction,
        "--ignore-answers": " and ".join(sorted(options.ignore_answers)) or "none",
        "--by-payload": _flag(options.by_payload),
        "--latency": options.latency,
        "--order": options.order,
        "--seed": str(options.seed),
        "--foreign": _flag(options.foreign),
        "the version of filibuster": version("baggage"),
    }
    name = str(Path(spec)) if Path(spec).is_file() else spec
    return Fingerprint(name, contents, said, _SCOPE)


def _paths(spec: str) -> list[Path]:
    """Return the files that a test is made of, as far as its name tells."""
    path = Path(spec)
    if path.is_file():
        return [path, path.parent / "conftest.py"]
    return [Path(word) for word in shlex.split(spec)]


def _given(path: Path | None) -> list[Path]:
    return [] if path is None else [path]


def _digest(paths: list[Path]) -> str:
    digest = blake2b(digest_size=8)
    for path in paths:
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _flag(said: bool) -> str:
    return "given" if said else "not given"
