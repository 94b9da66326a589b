"""A stand-in for the claude CLI that costs nothing and tells when it was woken.

It speaks as much of the stream-json protocol as a turn needs. In its working folder it leaves a
file `times`: one line for each moment, `KIND MESSAGE NANOSECONDS` of CLOCK_MONOTONIC, where KIND is
`woken` (the wake prompt was read), `called` (it called the tool that sent MESSAGE) or `answered`
(the result of that message's turn was written).

A message whose body is `relay NAME` makes it send a message to NAME with the hive's tool. One whose
body is `limit SECONDS` is refused by a limit that resets so much later, if it is not over by then:
`rejected` is the moment before the event.
"""

import json
import re
import sys
import time

HEAD = re.compile(r"^\[hive\] message (\d+) from ", re.MULTILINE)
LIMIT = re.compile(r"^limit (\d+)$", re.MULTILINE)
RELAY = re.compile(r"^relay (\S+)$", re.MULTILINE)


def say(**line: object) -> int:
    """Print one line of the protocol; the moment before."""
    data = json.dumps({"session_id": "stub", "uuid": "u", **line}).encode() + b"\n"
    now = time.monotonic_ns()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return now


def note(kind: str, message: int, when: int) -> None:
    with open("times", "a") as file:  # noqa: PTH123 - pathlib would cost 3 MiB
        file.write(f"{kind} {message} {when}\n")


def listen() -> tuple[dict, int]:
    """The next line of input that is no question, and the moment at which it was there."""
    while data := sys.stdin.buffer.readline():
        now, line = time.monotonic_ns(), json.loads(data)
        if line["type"] != "control_request":
            return line, now
        response = {"subtype": "success", "request_id": line["request_id"], "response": {}}
        say(type="control_response", response=response)
    sys.exit()


THINKS_S = 0.1
"""Before it calls a tool, as a model would: the harness has read all that was said before then."""


def call(to: str) -> None:
    """Send a message by the hive's tool; waits for the tool's result."""
    time.sleep(THINKS_S)
    arguments = {"to": to, "body": "relayed"}
    params = {"name": "send", "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    request = {"subtype": "mcp_message", "server_name": "hive", "message": message}
    called = say(type="control_request", request_id="t1", request=request)
    answer, _ = listen()
    content = answer["response"]["response"]["mcp_response"]["result"]["content"]
    note("called", json.loads(content[0]["text"])["sent"], called)


refused: set[int] = set()


def refuse(number: int, reset: float) -> None:
    """What the CLI says when a subscription's limit is reached."""
    info = {"status": "rejected", "rateLimitType": "five_hour", "resetsAt": reset}
    rejected = say(type="rate_limit_event", rate_limit_info=info)
    text = [{"type": "text", "text": "You've hit your 5-hour limit"}]
    line = {"is_api_error_message": True, "error": "rate_limit", "api_error": "usage_limit_reached"}
    say(type="assistant", message={"model": "<synthetic>", "content": text}, **line)
    say(
        type="result",
        subtype="success",
        is_error=True,
        api_error="usage_limit_reached",
        api_error_status=429,
        terminal_reason="api_error",
        num_turns=1,
    )
    say(type="system", subtype="session_state_changed", state="idle")
    note("rejected", number, rejected)


def turn(prompt: str, woken: int) -> None:
    number = int(HEAD.search(prompt)[1])
    servers = [{"name": "hive", "status": "connected"}]
    say(type="system", subtype="init", model="stub", mcp_servers=servers)
    if (limit := LIMIT.search(prompt)) and number not in refused:
        refused.add(number)
        refuse(number, time.time() + int(limit[1]))
        return
    say(type="assistant", message={"content": [{"type": "text", "text": "yes"}]})
    if relay := RELAY.search(prompt):
        call(relay[1])
    answered = say(
        type="result",
        subtype="success",
        is_error=False,
        terminal_reason="completed",
        num_turns=1,
        result="done",
    )
    say(type="system", subtype="session_state_changed", state="idle")
    note("woken", number, woken)
    note("answered", number, answered)


def main() -> None:
    if "--version" in sys.argv:
        print("2.1.330 (bench)")
        return
    while True:
        line, now = listen()
        if line["type"] == "user":
            turn(line["message"]["content"], now)


main()
