"""The broker: durable messages, leases, acks, dead letters, and wake-ups in process."""

from hive.broker.broker import Broker
from hive.broker.draft import Draft
from hive.broker.errors import (
    BadMessage,
    BodyTooLarge,
    BrokerError,
    NotAllowed,
    NotUrgent,
    TooManyBroadcasts,
    UnknownRecipient,
)
from hive.broker.lifecycle import HIVE, Counts, Returned
from hive.broker.rows import Holding, key_is_used, next_id, unreplied
from hive.rate import Rate

__all__ = [
    "HIVE",
    "BadMessage",
    "BodyTooLarge",
    "Broker",
    "BrokerError",
    "Counts",
    "Draft",
    "Holding",
    "NotAllowed",
    "NotUrgent",
    "Rate",
    "Returned",
    "TooManyBroadcasts",
    "UnknownRecipient",
    "key_is_used",
    "next_id",
    "unreplied",
]
