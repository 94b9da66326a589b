"""The broker: durable messages, leases, acks, dead letters, and who waits is woken in process."""

from hive.broker.broker import Broker
from hive.broker.draft import Draft, checked_line
from hive.broker.errors import (
    BadLine,
    BadMessage,
    BodyTooLarge,
    BrokerError,
    NotAllowed,
    NotUrgent,
    TooManyBroadcasts,
    UnknownRecipient,
)
from hive.broker.lifecycle import HIVE, Counts, Returned
from hive.broker.rows import LeaseRow, key_is_used, next_id, unreplied
from hive.rate import Rate

__all__ = [
    "HIVE",
    "BadLine",
    "BadMessage",
    "BodyTooLarge",
    "Broker",
    "BrokerError",
    "Counts",
    "Draft",
    "LeaseRow",
    "NotAllowed",
    "NotUrgent",
    "Rate",
    "Returned",
    "TooManyBroadcasts",
    "UnknownRecipient",
    "checked_line",
    "key_is_used",
    "next_id",
    "unreplied",
]
