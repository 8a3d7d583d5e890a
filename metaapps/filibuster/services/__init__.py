"""Starts and ends the services under test."""

from metaapps.filibuster.services.deployment import Deployment, Service, ServicesError, load
from metaapps.filibuster.services.detached import (
    LOGS,
    Detached,
    start_detached,
    status,
    stop_detached,
)
from metaapps.filibuster.services.launch import Running, start

__all__ = [
    "LOGS",
    "Deployment",
    "Detached",
    "Running",
    "Service",
    "ServicesError",
    "load",
    "start",
    "start_detached",
    "status",
    "stop_detached",
]
