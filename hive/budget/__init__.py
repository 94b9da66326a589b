"""Budgets: tokens and dollars that agents may use, in a day or in total."""

from hive.budget.ledger import Ledger
from hive.budget.policy import HIVE, THRESHOLDS, Budget
from hive.budget.service import BudgetService

__all__ = ["HIVE", "THRESHOLDS", "Budget", "BudgetService", "Ledger"]
