"""Which bucket a limit or a model belongs to."""

import re

from hive.wire import ALL_MODELS

FAMILIES = ("opus", "sonnet", "haiku", "fable")

DEFAULT_MODEL = "default-model"
"""The bucket of a missing model that neither the configuration nor the CLI named."""

_NAME = re.compile(r"[\w.@:/\[\]-]{1,80}", re.ASCII)


def family(model: str | None) -> str | None:
    """The model family that a name speaks of: `claude-opus-5-5` and `seven_day_opus` are opus."""
    words = re.split(r"[^a-z]+", (model or "").lower())
    return next((one for one in FAMILIES if one in words), None)


def window_bucket(window: str | None) -> str:
    """The bucket of a limit's window, in the CLI's words; unknown windows hold for all models."""
    return family(window) or ALL_MODELS


def model_bucket(*names: str | None) -> str:
    """The bucket of one model that does not exist: the first of its names that is one."""
    return next((name for name in names if name and _NAME.fullmatch(name)), DEFAULT_MODEL)
