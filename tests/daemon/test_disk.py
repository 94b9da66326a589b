"""The disk under the root: told first, once for each change, and gone by itself."""

import errno
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import evolve

from hive.daemon.disk import FULL, LOW, LOW_FILES, DiskWatch, Room, Space, disk_notice, room, space
from hive.store import Store, StoreError, StoreFull
from hive.supervisors import Context
from hive.wire.daemon import Notice
from hive.wire.events import Event

ROOT = Path("/var/lib/hyperhive")
PLENTY = Space(10 * LOW)


@pytest.mark.parametrize(
    ("free", "trouble", "expected"),
    [
        (PLENTY, None, Room.ENOUGH),
        (None, None, Room.ENOUGH),
        (Space(LOW), None, Room.ENOUGH),
        (Space(LOW - 1), None, Room.LOW),
        (Space(FULL - 1), None, Room.FULL),
        (Space(0, 10**6), None, Room.FULL),
        (evolve(PLENTY, files=LOW_FILES - 1), None, Room.LOW),
        (evolve(PLENTY, files=0), None, Room.FULL),
        (PLENTY, StoreFull("no space left: a quota"), Room.FULL),
        (None, StoreFull("no space left"), Room.FULL),
        (PLENTY, StoreError("read-only"), Room.BROKEN),
    ],
)
def test_what_is_said_of_a_disk(
    free: Space | None, trouble: StoreError | None, expected: Room
) -> None:
    assert room(free, trouble) is expected
    text = disk_notice(ROOT, free, trouble)
    assert (text is None) is (expected is Room.ENOUGH)
    if expected is Room.FULL:
        assert text is not None and text.startswith("the disk is full")


def test_the_space_of_a_real_folder(tmp_path: Path) -> None:
    assert space(tmp_path).free > 0
    with pytest.raises(OSError) as error:
        space(tmp_path / "nowhere")
    assert error.value.errno == errno.ENOENT


async def test_each_change_is_told_once_and_the_notice_goes_by_itself() -> None:
    found, told = PLENTY, list[str]()
    store = Store(Path("never opened"), ())
    heard = trio.Event()

    def publish(_: str | None, event: Event) -> None:
        nonlocal heard
        assert isinstance(event, Notice)
        told.append(event.text)
        heard.set()
        heard = trio.Event()

    async def turns(trouble: StoreError | None) -> None:
        news = heard
        store._look_at(trouble)
        with trio.fail_after(5):
            await news.wait()

    disk = DiskWatch(ROOT, store, publish, look=lambda _: found)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(disk.run, Context("hive/disk"))
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert disk.notices() == ()
        await turns(StoreFull("no space left"))
        (first,) = disk.notices()
        assert first == told[-1] and first.startswith("the disk is full")
        found = Space(0)
        store._look_at(None)  # it looks, and finds nothing new
        await trio.testing.wait_all_tasks_blocked(0.05)
        store._look_at(StoreFull("no space left, again"))
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert told == [first]
        found = Space(LOW // 2)
        await turns(None)
        assert told[-1].startswith("the disk is nearly full") and "105 MB" in told[-1]
        found = PLENTY
        await turns(StoreError("a moment of trouble"))
        assert told[-1].startswith("the disk does not take what the hive writes: a moment")
        await turns(None)
        assert disk.notices() == ()
        nursery.cancel_scope.cancel()
    assert told[-1] == "there is room on the disk again" and len(told) == 4
