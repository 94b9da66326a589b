"""The janitor: what is old enough, and done with, is removed in small batches."""

from hive.janitor.janitor import Janitor
from hive.janitor.retention import Retention

__all__ = ["Janitor", "Retention"]
