"""What tests of several parts of tracing share."""

from tests.tracing.zipkin_server import zipkin

__all__ = ["zipkin"]
