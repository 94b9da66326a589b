"""The janitor: removes what is old and done with, in small batches."""

from hive.janitor.janitor import Janitor
from hive.janitor.retention import Retention

__all__ = ["Janitor", "Retention"]
