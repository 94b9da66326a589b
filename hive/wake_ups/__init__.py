"""Wake-ups that an agent orders for itself: at the end of its turn, or by a script of its own."""

from hive.wake_ups.policy import TooManyWakeUps
from hive.wake_ups.service import WakeUpService

__all__ = ["TooManyWakeUps", "WakeUpService"]
