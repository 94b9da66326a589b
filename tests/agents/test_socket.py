"""The agent's socket: who holds a lease, when it goes back, and what a container may say."""

import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import evolve
from support.agent_socket import GRACE, KEY, Fixture, ask, running, take

from hive.agents import socket as agent_socket
from hive.broker import Draft
from hive.gate import Hold
from hive.link import LinkClosed, LinkRefused, Peer, RemoteError
from hive.link.reconnect import RECONNECT, keep_connected
from hive.wire.agents import Said, SetStatus, Spawn, StatusChanged
from hive.wire.approvals import RequestApplyCommit
from hive.wire.codec import PROTOCOL
from hive.wire.daemon import Notice
from hive.wire.frames import Hello
from hive.wire.harness import Emit, Report
from hive.wire.messages import GetThread, Send
from hive.wire.names import OPERATOR
from hive.wire.questions import Answer, Ask, CancelLooseEnd, GetLooseEnds, GetQuestions
from hive.wire.states import AgentState, Condition
from hive.wire.tree import Supervision, TreeNode
from hive.wire.turns import (
    ApiSignal,
    Finish,
    Outcome,
    Recv,
    SignalKind,
    Spending,
    Take,
    Taken,
    Text,
    TurnReport,
    Usage,
)
from hive.wire.wake_ups import RequestNextTurn, Wake


@pytest.fixture
async def scout(tmp_path: Path) -> AsyncIterator[Fixture]:
    async with running(tmp_path) as fixture:
        yield fixture


async def test_a_turn_from_take_to_ack(scout: Fixture) -> None:
    number = await scout.mail()
    async with scout.link("one") as (peer, welcome):
        assert welcome.settings.agent == "scout"
        lease = (await take(peer)).lease
        assert lease is not None and [m.id for m in lease.messages] == [number]
        assert await scout.state(number) == ("leased", 0, False)
        for _ in range(2):  # a repeated Finish finds nothing to do
            await ask(peer, Finish(lease.id, TurnReport(Outcome.COMPLETED)))
        assert await scout.state(number) == ("done", 0, False)


async def test_take_waits_and_is_woken_by_a_message(scout: Fixture) -> None:
    async with scout.link("one") as (peer, _), trio.open_nursery() as nursery:
        nursery.start_soon(scout.mail)
        assert (await take(peer, wait=5)).lease is not None


async def test_take_without_work_is_answered_in_time(scout: Fixture) -> None:
    async with scout.link("one") as (peer, _):
        assert await take(peer, wait=0.05) == Taken()


async def test_recv_joins_the_lease_and_is_acknowledged_with_it(scout: Fixture) -> None:
    first, second = await scout.mail("a"), await scout.mail("b")
    async with scout.link("one") as (peer, _):
        lease = (await take(peer)).lease
        assert lease is not None and lease.waiting == 1
        joined = (await ask(peer, Recv(lease.id))).lease
        assert [m.id for m in joined.messages] == [second]
        assert (await ask(peer, Recv(lease.id))).lease.messages == ()
        await ask(peer, Finish(lease.id, TurnReport(Outcome.COMPLETED)))
    assert (await scout.state(first))[0] == (await scout.state(second))[0] == "done"


async def test_what_is_sent_in_a_turn_answers_what_it_holds(scout: Fixture) -> None:
    number = await scout.mail()
    async with scout.link("one") as (peer, _):
        await take(peer)
        sent = await ask(peer, Send("operator", "here"))
    answer = (await scout.broker.reply(number)).answer
    assert answer is not None and answer.id == sent.id


async def test_recv_for_a_turn_that_is_over_is_refused(scout: Fixture) -> None:
    await scout.mail()
    async with scout.link("one") as (peer, _):
        with pytest.raises(RemoteError, match="over"):
            await ask(peer, Recv("some-old-lease"))


async def test_a_short_break_keeps_the_lease(scout: Fixture) -> None:
    number = await scout.mail()
    async with scout.link("one") as (peer, _):
        lease = (await take(peer)).lease
        assert lease is not None
    async with scout.link("one", lease=lease.id) as (peer, _):
        await trio.sleep(2 * GRACE)  # longer than the grace: nothing may come of it
        assert await scout.state(number) == ("leased", 0, False)
        await ask(peer, Finish(lease.id, TurnReport(Outcome.COMPLETED)))
        assert await scout.state(number) == ("done", 0, False)


async def test_a_long_break_returns_it_marked(scout: Fixture) -> None:
    number = await scout.mail()
    async with scout.link("one") as (peer, _):
        await take(peer)
    with trio.fail_after(5):
        await scout.broker.wait_queued("scout")
    assert await scout.state(number) == ("queued", 1, True)


async def test_a_new_instance_returns_it_at_once(scout: Fixture) -> None:
    number = await scout.mail()
    async with scout.link("one") as (old, _):
        await take(old)
    async with scout.link("two") as (new, _):
        assert await scout.state(number) == ("queued", 1, True)
        lease = (await take(new)).lease
        assert lease is not None and lease.messages[0].redelivered


async def test_a_second_instance_cannot_displace_one_that_answers(scout: Fixture) -> None:
    number = await scout.mail()
    async with scout.link("one") as (harness, _):
        lease = (await take(harness)).lease
        assert lease is not None
        with pytest.raises(LinkRefused, match="a second one is not admitted"):
            async with scout.link("two"):
                pass
        await ask(harness, Finish(lease.id, TurnReport(Outcome.COMPLETED)))
    assert await scout.state(number) == ("done", 0, False)


STOPS_ITSELF = """
import os, signal, sys, trio
from pathlib import Path
from hive.link import connect
from hive.wire.codec import PROTOCOL
from hive.wire.frames import Hello

async def main():
    async with connect(Path(sys.argv[1]), Hello(PROTOCOL, "harness", "frozen")) as (peer, _):
        await peer.ping()
        os.kill(os.getpid(), signal.SIGSTOP)

trio.run(main)
"""


async def test_one_that_does_not_answer_makes_way(
    scout: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_socket, "IN_USE_S", 0.1)
    path = scout.agent.dependencies.paths.socket("scout")
    frozen = await trio.lowlevel.open_process([sys.executable, "-c", STOPS_ITSELF, str(path)])
    try:
        await trio.to_thread.run_sync(os.waitid, os.P_PID, frozen.pid, os.WSTOPPED | os.WNOWAIT)
        assert scout.agent.instance == "frozen"
        async with scout.link("alive") as (peer, _):
            await ask(peer, Take(0))
            assert scout.agent.instance == "alive"
    finally:
        frozen.kill()
        await frozen.wait()


async def test_a_new_connection_of_the_same_instance_replaces_its_old_one(scout: Fixture) -> None:
    async with scout.link("one") as (old, _), scout.link("one") as (new, _):
        with trio.fail_after(5):
            await old.closed.wait()
        assert old.reason == "replaced by a newer connection"
        await ask(new, Take(0))


async def test_short_connections_leave_nobody_on_a_dead_link(scout: Fixture) -> None:
    """However they interleave with the harness's own, it is back when they have gone."""
    path = scout.agent.dependencies.paths.socket("scout")
    gone, works = trio.Event(), trio.Event()

    async def use(peer: Peer, _: object) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, peer)
            await peer.closed.wait()
            nursery.cancel_scope.cancel()

    async def work(peer: Peer) -> None:
        await gone.wait()
        with suppress(RemoteError, LinkClosed):
            await ask(peer, Take(0))
            works.set()

    async def knock(number: int) -> None:
        for _ in range(20):
            with suppress(OSError, LinkRefused, trio.TooSlowError):
                async with scout.link(f"stranger {number}"):
                    pass

    async with trio.open_nursery() as nursery:
        hello = Hello(PROTOCOL, "harness", "the harness")
        quick = evolve(RECONNECT, min=0.05, max=0.05, healthy_after=0.05)
        nursery.start_soon(partial(keep_connected, path, lambda: hello, use, backoff=quick))
        async with trio.open_nursery() as strangers:
            for number in range(8):
                strangers.start_soon(knock, number)
        gone.set()
        with trio.fail_after(10):
            await works.wait()
        nursery.cancel_scope.cancel()


async def test_the_same_instance_without_its_lease_returns_it(scout: Fixture) -> None:
    number = await scout.mail()
    async with scout.link("one") as (peer, _):
        await take(peer)
        await ask(peer, Take(0))  # says: I hold nothing
    state, attempts, redelivered = await scout.state(number)
    assert (state, attempts, redelivered) == ("leased", 1, True)  # and was given it again


async def test_a_limit_is_told_first_and_returns_it_uncounted(scout: Fixture) -> None:
    number = await scout.mail()
    wait = Hold(Condition.RATE_LIMITED, "usage limit", time.time() + 100)
    async with scout.link("one") as (peer, _):
        lease = (await take(peer)).lease
        assert lease is not None
        scout.limits.refusal = wait
        report = TurnReport(Outcome.LIMITED, until=wait.until)
        await ask(peer, Finish(lease.id, report))
        assert scout.limits.ended == [(lease.id, report)]
        assert await scout.state(number) == ("queued", 0, True)
        message = await scout.broker.message(number)
        assert message is not None and message.returns == 1
        assert await take(peer, wait=0.3) == Taken(None, "usage limit", wait.until)
        assert scout.limits.asked == 2, "refused once, then it waits instead of asking again"
        scout.limits.refusal = None
        scout.agent.look_again()
        scout.agent.open.set()  # as `serve` does
        assert (await take(peer)).lease is not None


async def test_a_failure_of_its_own_parks_the_agent_and_counts(scout: Fixture) -> None:
    number = await scout.mail()
    async with scout.link("one") as (peer, _):
        lease = (await take(peer)).lease
        assert lease is not None
        await ask(peer, Finish(lease.id, TurnReport(Outcome.FAILED, "boom")))
        assert await scout.state(number) == ("queued", 1, True)
        parked = await take(peer, wait=0.05)
        assert parked.lease is None and parked.reason == "turn failed: boom"
        records = scout.agent.dependencies.directory
        await records.load()
        record = records.record("scout")
        assert record.turn_park is not None and record.failures == 1
        assert record.turn_park.until == parked.until, "a restart of the daemon keeps it"


async def test_signals_and_spending_count_for_the_running_turn_only(scout: Fixture) -> None:
    await scout.mail()
    async with scout.link("one") as (peer, _):
        lease = (await take(peer)).lease
        assert lease is not None and scout.limits.began == [(lease.id, False)]
        mine = ApiSignal(lease.id, SignalKind.REJECTED, "five_hour", 1.0)
        spent = Spending(lease.id, Usage(input_tokens=5))
        for body in (mine, evolve(mine, lease="old"), spent, evolve(spent, lease="old")):
            await peer.push(body)
        await ask(peer, Finish(lease.id, TurnReport(Outcome.COMPLETED)))
        await peer.push(mine)
        await ask(peer, Emit(0, ()))
        assert scout.limits.signals == [mine] and scout.limits.spent == [spent]


async def test_over_budget_only_urgent_messages_are_taken(scout: Fixture) -> None:
    scout.limits.only = True
    await scout.mail("can wait")
    async with scout.link("one") as (peer, _):
        assert (await take(peer, wait=0.1)).lease is None
        urgent = await scout.broker.send(Draft(OPERATOR, "scout", "now", urgent=True))
        lease = (await take(peer)).lease
        assert lease is not None and [m.id for m in lease.messages] == [urgent]
        assert scout.limits.began == [(lease.id, True)]
        assert (await ask(peer, Recv(lease.id))).lease.messages == ()


async def test_a_lost_holder_ends_its_turn_for_the_limits_too(scout: Fixture) -> None:
    await scout.mail()
    async with scout.link("one") as (peer, _):
        lease = (await take(peer)).lease
        assert lease is not None
    with trio.fail_after(5):
        await scout.broker.wait_queued("scout")
    ((ended, report),) = scout.limits.ended
    assert (ended, report.outcome) == (lease.id, Outcome.INTERRUPTED)


async def test_the_senders_name_is_the_sockets(scout: Fixture) -> None:
    async with scout.link("one") as (peer, _):
        number = (await ask(peer, Send(OPERATOR, "hello", key="k"))).id
        assert (await ask(peer, Send(OPERATOR, "hello", key="k"))).id == number
        with pytest.raises(RemoteError, match="nobody is called"):
            await ask(peer, Send("stranger", "hello"))
    message = await scout.broker.message(number)
    assert message is not None and message.sender == "scout"


async def test_the_operators_acts_do_not_exist_here(scout: Fixture) -> None:
    async with scout.link("one") as (peer, _):
        with pytest.raises(RemoteError) as refused:
            await ask(peer, Spawn("other"))
        assert refused.value.code == "not_allowed"
    with pytest.raises(LinkRefused):
        async with scout.link("one", role="operator"):
            pass


async def test_events_are_published_once_and_only_those_of_a_harness(scout: Fixture) -> None:
    said, more = Notice("said"), Notice("more")
    forged = StatusChanged(AgentState.STOPPED)
    async with scout.link("one") as (peer, _):
        await ask(peer, Emit(0, ((0.0, said), (0.0, forged))))
        own = Supervision("harness/turns", "exited", "x")
        await ask(peer, Emit(1, ((0.0, forged), (0.0, more), (0.0, own))))
    assert scout.published == [
        ("scout", said),
        ("scout", more),
        ("scout", Supervision("hive/agents/scout/harness/turns", "exited", "x")),
    ]


async def test_events_of_an_outage_keep_their_times_but_no_nonsense(scout: Fixture) -> None:
    began = time.time()
    said = (began - 600, began - 599.5, began - 90_000, began + 3600, -1.0, 0.0, 1e300)
    events = tuple((at, Notice(str(at))) for at in said)
    part = Supervision("harness/link", "exited", "x")
    async with scout.link("one") as (peer, _):
        await ask(peer, Emit(0, (*events, (began - 500, part))))
    *kept, supervision = scout.stamps
    assert kept[:2] == [began - 600, began - 599.5] and supervision == began - 500
    assert all(at is not None and began <= at <= time.time() for at in kept[2:])
    assert [event.text for _, event in scout.published[:-1]] == [str(at) for at in said]


async def test_a_container_reads_only_its_own_agents_threads(scout: Fixture) -> None:
    mine = await scout.mail("the question")
    foreign = await scout.broker.send(Draft("ann", OPERATOR, "not for scout"))
    async with scout.link("one") as (peer, _):
        answer = (await ask(peer, Send(OPERATOR, "the answer", in_reply_to=mine))).id
        assert [m.id for m in (await ask(peer, GetThread(mine))).messages] == [mine, answer]
        for number in (foreign, 999, -1, 2**62):
            assert (await ask(peer, GetThread(number))).messages == ()


async def test_questions_and_wake_ups_are_in_the_sockets_name(scout: Fixture) -> None:
    async with scout.link("one") as (peer, _):
        id_ = (await ask(peer, Ask("Go on?", ("yes", "no"), key="k"))).id
        assert (await ask(peer, Ask("Go on?", ("yes", "no"), key="k"))).id == id_
        loose = await ask(peer, GetLooseEnds())
        assert [(q.id, q.asker) for q in loose.asked] == [(id_, "scout")]
        await ask(peer, SetStatus("looks around"))
        assert scout.published[-1] == ("scout", Said("looks around"))
        assert scout.agent.record.status_line == "looks around"
        with pytest.raises(RemoteError, match="121 characters, at most 120") as refused:
            await ask(peer, SetStatus("x" * 121))
        assert refused.value.code == "bad_line"
        with pytest.raises(RemoteError) as refused:
            await ask(peer, Answer(id_, "yes"))
        assert refused.value.code == "no_such_question", "its own question is not put to it"
        with pytest.raises(RemoteError, match="cannot be asked here"):
            await ask(peer, GetQuestions())
        await ask(peer, CancelLooseEnd(id_))
        woken = (await ask(peer, Wake("script", "come"))).id
        lease = (await take(peer)).lease
        assert lease is not None and [m.id for m in lease.messages] == [woken]


async def test_one_more_turn_begins_after_this_one(scout: Fixture) -> None:
    number = await scout.mail()
    async with scout.link("one") as (peer, _):
        lease = (await take(peer)).lease
        assert lease is not None
        for _ in range(2):
            await ask(peer, RequestNextTurn("half is left"))
        assert (await ask(peer, Recv(lease.id))).lease.messages == (), "not in this turn"
        await ask(peer, Finish(lease.id, TurnReport(Outcome.COMPLETED)))
        again = (await take(peer)).lease
        assert again is not None and len(again.messages) == 1
        assert again.messages[0].sender == "scout" and "half is left" in again.messages[0].body
        await ask(peer, Finish(again.id, TurnReport(Outcome.COMPLETED)))
        assert (await take(peer, wait=0.1)).lease is None
    assert await scout.state(number) == ("done", 0, False)


async def test_a_credential_is_cut_out_at_the_door(scout: Fixture) -> None:
    async with scout.link("one") as (peer, _):
        sent = await ask(peer, Send(OPERATOR, f"it is {KEY}", key="k"))
        await ask(peer, SetStatus(f"uses {KEY}"))
        await ask(peer, Ask(f"is {KEY} right?", (KEY, "no"), to=OPERATOR))
        events = (Text("t", KEY), Supervision("harness", "exited", KEY, f"report {KEY}"))
        await ask(peer, Emit(0, tuple((1.0, event) for event in events)))
        await peer.push(Report(TreeNode("harness", "supervisor", AgentState.RUNNING, 1.0, KEY)))
        await ask(peer, Wake("timer", KEY, key="w"))
    message = await scout.broker.message(sent.id)
    assert message is not None
    assert message.body == "it is [secret of credential default]"
    assert KEY not in repr(scout.published) and "[secret" in repr(scout.published)
    assert scout.agent.report is not None and KEY not in repr(scout.agent.report)
    for file in scout.agent.dependencies.paths.root.glob("hive.sqlite*"):
        assert KEY.encode() not in file.read_bytes()


async def test_a_proposal_that_is_refused_says_why(scout: Fixture) -> None:
    async with scout.link("one") as (peer, _):
        for agent, says in (
            ("nobody", "no agent 'nobody'"),
            ("scout", "configuration of your own"),
        ):
            with pytest.raises(RemoteError, match=says) as refused:
                await ask(peer, RequestApplyCommit(agent, "a" * 40))
            assert refused.value.code == "proposal_refused"
