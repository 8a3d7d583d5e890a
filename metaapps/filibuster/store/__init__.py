"""The store: what ran, as it ended, in one SQLite file that outlives the run."""

from metaapps.filibuster.store.database import StoreError
from metaapps.filibuster.store.deaths import Deaths
from metaapps.filibuster.store.fingerprint import Fingerprint
from metaapps.filibuster.store.record import Known, Record
from metaapps.filibuster.store.store import FILE, Store, StoredRun

__all__ = [
    "FILE",
    "Deaths",
    "Fingerprint",
    "Known",
    "Record",
    "Store",
    "StoreError",
    "StoredRun",
]
