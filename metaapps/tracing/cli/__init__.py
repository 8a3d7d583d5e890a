"""The `tracing` command line, and all that stands behind it."""

from metaapps.tracing.cli.commands import main

__all__ = ["main"]
