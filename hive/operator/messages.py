"""Messages as the operator reads and sends them, and those that were not delivered."""

from collections.abc import Iterable

import trio
from attrs import frozen

from hive.broker import Broker, Draft
from hive.directory import Directory
from hive.link import LinkError
from hive.operator.handlers import Act, AuditWriter, Table, act, act_in_one_commit, read, row_limit
from hive.text import flattened
from hive.wire.bounds import LONGEST_REPLY_S, MOST_ROWS, clamp
from hive.wire.messages import (
    Ack,
    Awaited,
    Count,
    GetInbox,
    GetThread,
    GetUndelivered,
    Inbox,
    OperatorSend,
    Resolve,
    Sent,
    WaitReply,
)
from hive.wire.names import OPERATOR

_BEGINNING = 100
"""Characters of a message's body that the audit keeps."""


def table(broker: Broker, directory: Directory) -> Table:
    """What the operator may ask about messages, and do with them."""
    messages = _Messages(broker, directory)
    return {
        GetInbox: read(messages.inbox),
        GetThread: read(messages.thread),
        GetUndelivered: read(messages.undelivered),
        WaitReply: read(messages.reply),
        OperatorSend: act_in_one_commit(messages.send_as_anybody, _send),
        Ack: act(messages.acknowledge, lambda one: Act("read", "messages", _ids(one.ids))),
        Resolve: act(messages.resolve, lambda one: Act(one.action, "messages", _ids(one.ids))),
    }


def page_table(broker: Broker, directory: Directory) -> Table:
    """What the page may ask about messages, and do: it sends as the operator only."""
    messages = _Messages(broker, directory)
    return {
        GetInbox: read(messages.inbox),
        OperatorSend: act_in_one_commit(messages.send_as_operator, _send),
    }


@frozen
class _Messages:
    broker: Broker
    directory: Directory

    async def inbox(self, asked: GetInbox) -> Inbox:
        name = OPERATOR if asked.name is None else asked.name
        owner = OPERATOR if name == OPERATOR else self.directory.record(name).name
        return Inbox(await self.broker.inbox(owner, row_limit(asked.limit)))

    async def thread(self, asked: GetThread) -> Inbox:
        return Inbox(await self.broker.thread(asked.id, OPERATOR))

    async def undelivered(self, asked: GetUndelivered) -> Inbox:
        return Inbox(await self.broker.undelivered(row_limit(asked.limit)))

    async def reply(self, asked: WaitReply) -> Awaited:
        with trio.move_on_after(clamp(asked.wait, 0.0, LONGEST_REPLY_S)):
            return await self.broker.wait_reply(asked.message)
        return await self.broker.reply(asked.message)

    async def send_as_anybody(self, send: OperatorSend, write_entry: AuditWriter) -> Sent:
        if send.sender != OPERATOR:
            self.directory.record(send.sender)
        return await self._send(send, write_entry)

    async def send_as_operator(self, send: OperatorSend, write_entry: AuditWriter) -> Sent:
        if send.sender != OPERATOR:
            raise LinkError("not_allowed", "the page sends as the operator only")
        return await self._send(send, write_entry)

    async def _send(self, send: OperatorSend, write_entry: AuditWriter) -> Sent:
        draft = Draft(
            send.sender,
            send.to,
            send.body,
            in_reply_to=send.in_reply_to,
            key=send.key,
            urgent=send.urgent,
        )
        return Sent(await self.broker.send(draft, lambda db, id_: write_entry(db, Sent(id_))))

    async def acknowledge(self, ack: Ack) -> Count:
        return Count(len(await self.broker.acknowledge(ack.ids)))

    async def resolve(self, resolve: Resolve) -> Count:
        actions = {"retry": self.broker.retry, "drop": self.broker.drop}
        if resolve.action not in actions:
            raise LinkError("bad_request", f"action must be one of {sorted(actions)}")
        if len(resolve.ids) > MOST_ROWS:
            raise LinkError("bad_request", f"give at most {MOST_ROWS} ids at once")
        return Count(await actions[resolve.action](resolve.ids))


def _send(one: OperatorSend) -> Act:
    marks = (
        f"from {one.sender}" if one.sender != OPERATOR else "",
        f"in reply to {one.in_reply_to}" if one.in_reply_to is not None else "",
        "urgent" if one.urgent else "",
        flattened(one.body[:_BEGINNING]),
    )
    return Act("send", one.to, ": ".join(filter(None, marks)))


def _ids(ids: Iterable[int]) -> str:
    return " ".join(map(str, ids))
