"""Workers: executions that run at once, and ahead of their turn."""

from metaapps.filibuster.workers.count import WorkersError, worker_count
from metaapps.filibuster.workers.gate import Gate
from metaapps.filibuster.workers.pool import Pool

__all__ = ["Gate", "Pool", "WorkersError", "worker_count"]
