"""The command line of filibuster, and all that stands behind it."""

from metaapps.filibuster.cli.commands import main

__all__ = ["main"]
