"""The agent's own login: the tokens that the CLI keeps in its home, to be hidden from all text."""

import json
import os
from pathlib import Path

from harness.lenient_json import as_text
from hive.redact import Secrets

LABEL = "of the agent's own login"
_MOST = 1 << 16


class OwnLogin:
    """Teaches `secrets` the tokens of the login in `home`.

    The CLI writes new ones whenever old ones expire, so it is asked again before each text.
    """

    def __init__(self, home: Path, secrets: Secrets) -> None:
        self._file = str(home / ".claude" / ".credentials.json")
        self._secrets = secrets
        self._last_stat: tuple[int, int, int] | None = None

    def refresh(self) -> None:
        """Read the file if it has changed; as long as it has not, this costs one stat."""
        try:
            found = os.lstat(self._file)
            stat = found.st_ino, found.st_mtime_ns, found.st_size
            if stat != self._last_stat:
                self._last_stat = stat
                self._learn(_read(self._file))
        except OSError:
            return  # no login, or none that could be read by the CLI either

    def _learn(self, data: bytes) -> None:
        try:
            logins = json.loads(data)
        except (ValueError, RecursionError):
            return  # half written: it changes again
        for login in logins.values() if isinstance(logins, dict) else ():
            if isinstance(login, dict):
                for name in ("accessToken", "refreshToken"):
                    if token := as_text(login.get(name)):
                        self._secrets.learn(token, LABEL)


def _read(file: str) -> bytes:
    """The beginning of the file; the folder is the agent's, so no link or pipe there is trusted."""
    opened = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as reader:
        return reader.read(_MOST) or b""
