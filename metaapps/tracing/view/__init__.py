"""One HTML page that shows traces, for people with a browser and nothing else."""

from metaapps.tracing.view.document import page

__all__ = ["page"]
