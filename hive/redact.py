"""Credentials out of text that people read: reports, logs, details of a failure."""

import re
from collections.abc import Callable, Iterable

HIDDEN = "<credential>"
SHORTEST = 8
"""A shorter value would hide ordinary words."""

_ANY_KEY = re.compile(r"sk-ant-[\w-]{6,}")
_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")


def redactor(variables: Iterable[tuple[str, str]]) -> Callable[[str], str]:
    """A function that hides the values of those variables that hold credentials, and API keys."""
    secrets = [value for name, value in variables if _NAMES.search(name)]
    secrets = sorted((one for one in secrets if len(one) >= SHORTEST), key=len, reverse=True)

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        return _ANY_KEY.sub(HIDDEN, text)

    return redact
