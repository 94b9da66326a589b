"""Budgets: tokens and dollars that agents may use, in a day or in total."""

from hive.budget.budgets import Budgets
from hive.budget.ledger import Entry, Ledger, Tally, Turn
from hive.budget.policy import HIVE, THRESHOLDS, Budget

__all__ = ["HIVE", "THRESHOLDS", "Budget", "Budgets", "Entry", "Ledger", "Tally", "Turn"]
