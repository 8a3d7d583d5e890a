"""A fixture that runs a test in audit mode."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from baggage.boundary.audit import Audit
from baggage.runtime import PROCESS, audit, request_scope


@pytest.fixture
def audited(request: pytest.FixtureRequest) -> Iterator[Audit]:
    """Run a test in audit mode, as a request of its own; yield who audits.

    So whatever the test starts by what is instrumented is a part of it, and a call in no context,
    or in another test's, is found. Ends with `assert not audited.findings`. What shows no sooner
    than the request ends, a branch that never came home, fails the test after that.
    """
    already = PROCESS.audits
    auditing = audit()
    auditing.clear()
    with request_scope(request.node.name):
        yield auditing
        known = auditing.findings
    audit(on=already)
    left = [str(finding) for finding in auditing.findings if finding not in known]
    if left:
        pytest.fail("\n".join(left), pytrace=False)
