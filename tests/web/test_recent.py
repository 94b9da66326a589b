import orjson
from hypothesis import given
from hypothesis import strategies as st

from hive.wire.daemon import Notice
from hive.wire.events import LiveEvent
from hive.wire.messages import MessageMoved, MessageSent, MessageState
from web.events import EncodedEvent, RecentEvents
from web.messages import RecentMessages


def notice(seq: int) -> LiveEvent:
    return LiveEvent(seq, 0.0, None, Notice(str(seq)))


def seqs(encoded: list[EncodedEvent]) -> list[int]:
    return [event.seq for event in encoded]


increasing = st.lists(st.integers(1, 60), unique=True).map(sorted)


@given(events=increasing, size=st.integers(1, 12), since=st.integers(0, 70), repeat=st.booleans())
def test_a_covered_reader_misses_nothing(
    events: list[int], size: int, since: int, repeat: bool
) -> None:
    recent = RecentEvents(size)
    recent.append(notice(seq) for seq in events)
    if repeat:
        assert recent.append(notice(seq) for seq in events) == []
    kept = events[-size:]
    assert seqs(recent.after(since)) == [seq for seq in kept if seq > since]
    if recent.covers(since):
        assert seqs(recent.after(since)) == [seq for seq in events if seq > since]
    assert recent.covers(recent.last)
    assert not recent.covers(recent.last + 1)


@given(events=increasing.filter(bool), size=st.integers(1, 12))
def test_a_reader_is_covered_exactly_while_its_next_event_is_there(
    events: list[int], size: int
) -> None:
    recent = RecentEvents(size)
    recent.append(notice(seq) for seq in events)
    first_kept = events[-size:][0]
    overwritten = events[-size - 1] if len(events) > size else first_kept - 1
    assert recent.covers(overwritten)
    assert not recent.covers(overwritten - 1)


def test_events_are_the_documented_shape() -> None:
    recent = RecentEvents()
    recent.append([LiveEvent(3, 1.5, "manager", Notice("x"))])
    assert orjson.loads(orjson.dumps(recent.newest(9)[0].json)) == {
        "seq": 3,
        "at": 1.5,
        "agent": "manager",
        "kind": "notice",
        "text": "x",
    }


def sent(id_: int) -> LiveEvent:
    return LiveEvent(id_, 0.0, "a", MessageSent(id_, "a", "b", "text"))


def test_the_newest_messages_are_kept_with_their_last_state() -> None:
    recent = RecentMessages(size=2)
    recent.fold([sent(1), sent(2), sent(3)])
    moved = MessageMoved((1, 3, 99), MessageState.DEAD, "five times")
    recent.fold([LiveEvent(4, 0.0, None, moved)])
    assert [(m["id"], m["state"], m["why"]) for m in recent.flat()] == [
        (2, "queued", ""),
        (3, "dead", "five times"),
    ]
