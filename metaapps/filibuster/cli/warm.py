"""What the process that Python tests are forked from does once, so that no run has to again.

Importing this module instruments the process. That is what it is for: a fork server runs nothing
but imports before its first fork. Nothing else may import it.
"""

from __future__ import annotations

from metaapps.filibuster.cli import testcase

testcase.instrument()
