"""Who uses how much of what, for each tenant and resource, over all services of a request."""

from metaapps.meter.app import TENANT, Meter
from metaapps.meter.bill import Use, bill, total

__all__ = ["TENANT", "Meter", "Use", "bill", "total"]
