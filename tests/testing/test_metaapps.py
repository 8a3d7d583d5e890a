"""The meta-applications that we ship, and those for tests, keep what every one has to."""

from __future__ import annotations

import pytest

from baggage.boundary import MetaApp
from baggage.testing import MetaAppSuite, Recorder, Scripted
from baggage.values import EMPTY, Baggage
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.lineage import ROOT
from metaapps.filibuster.orders import LINEAGE, ORDERS, Orders
from metaapps.filibuster.wire import encode_lineage, encode_orders
from metaapps.tracing.app import Tracing

KEY = b"the run's key"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "metaapps")


class TestRecorder(MetaAppSuite):
    def metaapp(self) -> MetaApp:
        return Recorder("observer")


class TestScripted(MetaAppSuite):
    def metaapp(self) -> MetaApp:
        return Scripted()


class TestTracing(MetaAppSuite):
    def metaapp(self) -> MetaApp:
        return Tracing(lambda span: None)


class TestFilibusterSwitchedOff(MetaAppSuite):
    def metaapp(self) -> MetaApp:
        return Filibuster()


class TestFilibuster(MetaAppSuite):
    def metaapp(self) -> MetaApp:
        return Filibuster((KEY,))

    def carried(self) -> Baggage:
        orders = Orders("execution", expires=2**40)
        return EMPTY.with_down({ORDERS: encode_orders(orders, KEY), LINEAGE: encode_lineage(ROOT)})


class TestFilibusterInTheTest(TestFilibuster):
    def metaapp(self) -> MetaApp:
        return Filibuster((KEY,), by_test=True)
