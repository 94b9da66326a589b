"""What the demo's agents do: a pure function of the conversation.

The manager delegates, a worker reports, the operator hears of it. Nothing an agent says to another
comes back as a new task, so that no two agents can keep each other busy.
"""

import re

from attrs import frozen

from hive.demo.reply import CallTool, ModelAnswer, Reply, Say
from hive.demo.request import MessagesRequest, Part, ToolResultPart, ToolUsePart
from hive.demo.wake_prompt import PromptMessage, last_wake_prompt

SEND = "mcp__hive__send"
ANSWER = "mcp__hive__answer"
FIRST_TASK = "Please say hello and name one fact about bees."

_OPERATOR, _MANAGER, _WORKER, _HIVE = "operator", "manager", "worker-1", "hive"
_QUOTE = 2000  # characters: any quote and its frame stay far below the hive's cap for a body
_START = re.compile(r"\b(?:welcome|first task|get started)\b", re.IGNORECASE)
_DELEGATE = re.compile(r"\bdelegate\b", re.IGNORECASE)
_ASK = re.compile(r"\b(?:ask|tell|delegate(?: this| it)? to) ([a-z][a-z0-9-]{0,30})", re.IGNORECASE)
_CLOSING = re.compile(r"\W*(?:many )?(?:thanks|thank you|ok|okay|got it|bye)\b.{0,40}", re.I)
_QUESTION = re.compile(r"Question (\d{1,18}) for you:\n")
_OPTION = re.compile(r"^  1\. ", re.MULTILINE)
_QUESTION_OVER = re.compile(r"Answer to your question \d|Question \d+ \(.*\) is withdrawn")
_FACTS = (
    "a honeybee visits some two million flowers for one jar of honey.",
    "bees tell each other where food is by dancing.",
    "a queen can lay two thousand eggs in a day.",
    "a hive keeps its brood at about 35 degrees, in winter and in summer.",
    "a bee beats its wings about two hundred times in a second.",
    "bees can tell human faces apart.",
)


@frozen
class _Act:
    """What one message leads to: at most one `call`; `opening` is said before, `closing` after."""

    closing: str
    opening: str = ""
    call: CallTool | None = None


def answer(request: MessagesRequest) -> Reply:
    """The persona's answer to `request`."""
    if request.asks_summary:  # the CLI itself keeps what was said last, so nothing can be lost
        return ModelAnswer((Say("<summary>\nThe hive's messages so far are done.\n</summary>"),))
    _, messages, after = last_wake_prompt(request)
    done = _done(after)
    me = request.agent or "an agent"
    if not messages or SEND not in request.tools:
        return ModelAnswer((Say(f"I am {me}. There is nothing for me to do."),))
    acts = [_act(me, message, request) for message in messages]
    if not done:
        blocks: list[Say | CallTool] = [Say(act.opening) for act in acts if act.opening]
        calls = [act.call for act in acts if act.call]
        return ModelAnswer((*blocks, *calls)) if calls else _closing(acts)
    return _after_failure(messages[0], done) or _closing(acts)


def _closing(acts: list[_Act]) -> ModelAnswer:
    return ModelAnswer((Say(" ".join(act.closing for act in acts)),))


def _act(me: str, message: PromptMessage, request: MessagesRequest) -> _Act:
    if message.sender == me:  # a reminder, a schedule or a wake-up of its own
        return _Act(f"I have woken myself: {_quote(message.body)}")
    if _QUESTION_OVER.match(message.body):
        return _Act("I have read how the question ended.")
    if (question := _QUESTION.match(message.body)) and ANSWER in request.tools:
        return _answered(message, int(question[1]))
    if message.sender == _OPERATOR:
        return _from_operator(me, message, request.others)
    if message.broadcast:
        return _Act(f"I have read what {message.sender} told everybody.")
    if message.sender == _HIVE and me != _MANAGER:
        return _Act("I have read what the hive says.")
    if _CLOSING.fullmatch(message.body):
        return _Act("Nothing more to do.")
    if me == _MANAGER:
        who = "The hive" if message.sender == _HIVE else message.sender
        return _Act(
            closing="The operator has my summary.",
            opening=f"{who} has answered; I tell the operator.",
            call=_send(_OPERATOR, f'{who} reports: "{_quote(message.body)}"'),
        )
    if message.sender != _MANAGER and message.in_reply_to is not None:
        return _Act(f"I have read what {message.sender} answered.")
    return _Act(
        closing=f"I have answered {message.sender}.",
        opening="A task: I do it at once.",
        call=_send(
            message.sender,
            f"Hello from {me}! You asked: {_quote(message.body)}\n"
            f"A fact about bees: {_fact(message.id)}",
            message.id,
        ),
    )


def _answered(message: PromptMessage, question: int) -> _Act:
    """A question is answered with the tool for that, by its first option if it has any."""
    said = {"options": [1]} if _OPTION.search(message.body) else {"text": _fact(message.id)}
    return _Act(
        closing=f"I have answered {message.sender}'s question.",
        opening="A question: I answer it.",
        call=CallTool(ANSWER, {"question": question, **said}),
    )


def _from_operator(me: str, message: PromptMessage, others: tuple[str, ...]) -> _Act:
    if me == _MANAGER and (target := _delegate_to(message.body, others)):
        task = (
            FIRST_TASK
            if _START.search(message.body)
            else f"The operator asks: {_quote(message.body)}"
        )
        return _Act(
            closing=f"I have asked {target} and wait for the answer.",
            opening=f"Hello! This is work for {target}.",
            call=_send(target, task),
        )
    return _Act(
        closing="I have answered the operator.",
        call=_send(
            _OPERATOR,
            f"You said: {_quote(message.body)}\n\nI am {me}, and in this demo a script speaks for "
            f"me. Did you know: {_fact(message.id)}",
            message.id,
        ),
    )


def _delegate_to(body: str, others: tuple[str, ...]) -> str | None:
    for match in _ASK.finditer(body):
        name = match[1].lower().rstrip("-")
        if name in others or re.fullmatch(r"worker-\d+", name):
            return name
    if _START.search(body) or _DELEGATE.search(body):
        return _WORKER
    return None


def _after_failure(
    message: PromptMessage, done: list[tuple[ToolUsePart, ToolResultPart]]
) -> ModelAnswer | None:
    """Tell the operator, once, that an agent could not be reached."""
    use, result = done[-1]
    if not result.is_error:
        return None
    if use.name == ANSWER:
        return ModelAnswer((Say(f"I could not answer the question: {_quote(result.text)}"),))
    why = f"I could not reach {use.arguments.get('to')}: {_quote(result.text)}"
    if use.arguments.get("to") == _OPERATOR:
        return ModelAnswer((Say(why),))
    reply_to = message.id if message.sender == _OPERATOR else None
    return ModelAnswer((_send(_OPERATOR, why, reply_to),))


def _done(after: tuple[Part, ...]) -> list[tuple[ToolUsePart, ToolResultPart]]:
    """Its own calls since the wake prompt that have a result, in the order of their results."""
    own = (SEND, ANSWER)
    uses = {part.id: part for part in after if isinstance(part, ToolUsePart) and part.name in own}
    results = (part for part in after if isinstance(part, ToolResultPart) and part.id in uses)
    return [(uses[result.id], result) for result in results]


def _send(to: str, body: str, in_reply_to: int | None = None) -> CallTool:
    reply = {} if in_reply_to is None else {"in_reply_to": in_reply_to}
    return CallTool(SEND, {"to": to, "body": body} | reply)


def _quote(text: str) -> str:
    return text if len(text) <= _QUOTE else text[:_QUOTE] + "…"


def _fact(number: int) -> str:
    return _FACTS[number % len(_FACTS)]
