"""One HTML page that shows traces, for people with a browser and nothing else."""

from metaapps.tracing.view.page import page

__all__ = ["page"]
