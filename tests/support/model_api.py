"""The scripted Messages API as a process of its own, steered by a test over HTTP."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

from support.running import scrubbed


class ModelApi:
    """`python -m hive.demo --control`; it outlives the hive that a test kills."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hive.demo", "--control"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=scrubbed(),
            text=True,
        )
        assert self._process.stdout is not None
        self.url: str = json.loads(self._process.stdout.readline())["url"]

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    @property
    def environment(self) -> dict[str, str]:
        """What a hive needs to use this model."""
        return scrubbed(ANTHROPIC_BASE_URL=self.url, ANTHROPIC_API_KEY="test-key-1234")

    def rule(self, reply: dict[str, Any], **match: Any) -> None:
        """Answer matching requests (agent, text, skip, count) like this."""
        self._call("POST", "/control/rules", {"rules": [{**match, "reply": reply}]})

    def clear(self) -> None:
        self._call("DELETE", "/control/rules")

    def requests(self, agent: str | None = None) -> list[dict[str, Any]]:
        """All requests for messages so far."""
        found: list[dict[str, Any]] = self._call("GET", "/control/requests")
        return [one for one in found if agent in (None, one["agent"])]

    def wait_requests(self, count: int, agent: str, timeout: float = 30) -> list[dict[str, Any]]:
        """Wait until the agent has asked `count` times."""
        deadline = time.monotonic() + timeout
        while len(found := self.requests(agent)) < count:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)  # the API is another process: there is nothing to wait on
        return found

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None
