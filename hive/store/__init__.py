"""The store: one SQLite file, one writer thread with group commit, a pool of readers."""

from hive.store.connections import fetch
from hive.store.database_files import examine
from hive.store.errors import (
    SchemaTooNew,
    StoreClosed,
    StoreError,
    StoreFull,
    StoreMoved,
    StoreReplaced,
    StoreStuck,
)
from hive.store.schema import MIGRATIONS
from hive.store.store import Store, open_store
from hive.store.writer import JoinedWrite

__all__ = [
    "MIGRATIONS",
    "JoinedWrite",
    "SchemaTooNew",
    "Store",
    "StoreClosed",
    "StoreError",
    "StoreFull",
    "StoreMoved",
    "StoreReplaced",
    "StoreStuck",
    "examine",
    "fetch",
    "open_store",
]
