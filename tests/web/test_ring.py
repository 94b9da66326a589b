import orjson
from hypothesis import given
from hypothesis import strategies as st

from hive.wire.daemon import Notice
from hive.wire.events import LiveEvent
from hive.wire.messages import MessageMoved, MessageSent, MessageState
from web.flow import Flow
from web.ring import Encoded, Ring


def notice(seq: int) -> LiveEvent:
    return LiveEvent(seq, 0.0, None, Notice(str(seq)))


def seqs(encoded: list[Encoded]) -> list[int]:
    return [event.seq for event in encoded]


increasing = st.lists(st.integers(1, 60), unique=True).map(sorted)


@given(events=increasing, size=st.integers(1, 12), since=st.integers(0, 70), repeat=st.booleans())
def test_a_covered_reader_misses_nothing(
    events: list[int], size: int, since: int, repeat: bool
) -> None:
    ring = Ring(size)
    ring.append(notice(seq) for seq in events)
    if repeat:
        assert ring.append(notice(seq) for seq in events) == []
    kept = events[-size:]
    assert seqs(ring.after(since)) == [seq for seq in kept if seq > since]
    if ring.covers(since):
        assert seqs(ring.after(since)) == [seq for seq in events if seq > since]
    assert ring.covers(ring.last)
    assert not ring.covers(ring.last + 1)


@given(events=increasing.filter(bool), size=st.integers(1, 12))
def test_a_reader_is_covered_exactly_while_its_next_event_is_there(
    events: list[int], size: int
) -> None:
    ring = Ring(size)
    ring.append(notice(seq) for seq in events)
    first_kept = events[-size:][0]
    overwritten = events[-size - 1] if len(events) > size else first_kept - 1
    assert ring.covers(overwritten)
    assert not ring.covers(overwritten - 1)


def test_events_are_the_documented_shape() -> None:
    ring = Ring()
    ring.append([LiveEvent(3, 1.5, "manager", Notice("x"))])
    assert orjson.loads(orjson.dumps(ring.newest(9)[0].json)) == {
        "seq": 3,
        "at": 1.5,
        "agent": "manager",
        "kind": "notice",
        "text": "x",
    }


def sent(id_: int) -> LiveEvent:
    return LiveEvent(id_, 0.0, "a", MessageSent(id_, "a", "b", "text"))


def test_flow_keeps_the_newest_messages_and_their_last_state() -> None:
    flow = Flow(size=2)
    flow.fold([sent(1), sent(2), sent(3)])
    flow.fold([LiveEvent(4, 0.0, None, MessageMoved((1, 3, 99), MessageState.DEAD, "five times"))])
    assert [(m["id"], m["state"], m["why"]) for m in flow.messages()] == [
        (2, "queued", ""),
        (3, "dead", "five times"),
    ]
