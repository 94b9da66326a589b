"""Limits and money: who must wait for what until when."""

from hive.gate.hold import Hold

__all__ = ["Hold"]
