"""Whole applications that are made up, and run for real: calls cross the waist, orders travel.

`post` is the library that their services call each other by, `program` what services do, `serving`
does it, `network` deploys it in this process, and `generate` makes applications from seeds.
"""

from tests.filibuster.apps.generate import generated
from tests.filibuster.apps.network import Network, coordinated
from tests.filibuster.apps.program import Application

__all__ = ["Application", "Network", "coordinated", "generated"]
