"""Which reply a request gets: the rules of a test first, else the demo's persona."""

import time
from collections import deque

import trio
from attrs import define, evolve, field, frozen

from hive.demo.persona import answer
from hive.demo.reply import Delay, LimitHeaders, Persona, Reply
from hive.demo.request import MessagesRequest
from hive.demo.wake_prompt import last_wake_prompt

_KEPT = 10_000


@frozen
class Rule:
    """Give `reply` to requests of `agent` whose wake prompt (else last user text) holds `text`.

    None matches all. The first `skip` requests that match and that no earlier rule took pass on to
    the next rule, then this one answers `count` of them (None: all).
    """

    reply: Reply
    agent: str | None = None
    text: str | None = None
    skip: int = 0
    count: int | None = None


@frozen
class RecordedRequest:
    """A request that came in; `at` in epoch seconds, `auth` is "key", "token", "both" or "none".

    `rule` is the index of the rule that answered it; None: the persona did.
    """

    at: float
    agent: str | None
    model: str
    stream: bool
    text: str
    parts: int
    auth: str
    rule: int | None


def rule_text(request: MessagesRequest) -> str:
    """The text that rules look at: the last wake prompt, else the user's last text."""
    return last_wake_prompt(request)[0] or request.last_text


def pick(
    rules: tuple[Rule, ...], seen: tuple[int, ...], request: MessagesRequest
) -> tuple[int | None, tuple[int, ...]]:
    """The index of the rule that answers `request`, and how many requests each has now seen."""
    counts = list(seen)
    agent, text = request.agent, rule_text(request)
    for index, rule in enumerate(rules):
        if rule.agent not in (None, agent) or (rule.text is not None and rule.text not in text):
            continue
        before = counts[index]
        if rule.count is not None and before >= rule.skip + rule.count:
            continue
        counts[index] += 1
        if before >= rule.skip:
            return index, tuple(counts)
    return None, tuple(counts)


def resolve(reply: Reply, request: MessagesRequest) -> Reply:
    """`reply` with the persona's answer put where it is asked for."""
    if isinstance(reply, Persona):
        return answer(request)
    if isinstance(reply, Delay | LimitHeaders):
        return evolve(reply, reply=resolve(reply.reply, request))
    return reply


@define
class Script:
    """The rules in force, and the requests that came in."""

    rules: tuple[Rule, ...] = ()
    requests: deque[RecordedRequest] = field(factory=lambda: deque(maxlen=_KEPT), init=False)
    _seen: tuple[int, ...] = field(init=False, default=())
    _asked: trio.Event = field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._seen = (0,) * len(self.rules)

    def add(self, *rules: Rule) -> None:
        """Put `rules` after those in force."""
        self.rules += rules
        self._seen += (0,) * len(rules)

    def clear(self) -> None:
        """Drop all rules: the persona answers everything."""
        self.rules = self._seen = ()

    def decide(self, request: MessagesRequest, auth: str = "none") -> Reply:
        """Record `request` and return its reply."""
        index, self._seen = pick(self.rules, self._seen, request)
        self.requests.append(
            RecordedRequest(
                at=time.time(),
                agent=request.agent,
                model=request.model,
                stream=request.stream,
                text=rule_text(request),
                parts=len(request.parts),
                auth=auth,
                rule=index,
            )
        )
        self._asked.set()
        self._asked = trio.Event()
        return resolve(Persona() if index is None else self.rules[index].reply, request)

    async def wait_requests(self, count: int, agent: str | None = None) -> list[RecordedRequest]:
        """Wait until `count` requests (of `agent`) were recorded and return all of them."""
        while True:
            found = [r for r in self.requests if agent in (None, r.agent)]
            if len(found) >= count:
                await trio.lowlevel.checkpoint()
                return found
            await self._asked.wait()
