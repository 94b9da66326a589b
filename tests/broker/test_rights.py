"""Whom an agent may write to is decided in the daemon."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.directories import Named

from hive.broker import Broker, Draft, NotAllowed
from hive.broker.draft import check_rights
from hive.directory import Rights
from hive.store import MIGRATIONS, open_store
from hive.wire.names import EVERYBODY, OPERATOR

NAMES = st.sampled_from(("ann", "bob", "manager", OPERATOR, EVERYBODY))


def may(sender: str, to: str, recipients: frozenset[str] | None) -> bool:
    try:
        check_rights(Draft(sender, to, "text"), Rights(recipients))
    except NotAllowed:
        return False
    return True


@given(NAMES, NAMES, st.frozensets(NAMES))
def test_the_list_is_what_is_allowed_beside_operator_and_manager(
    sender: str, to: str, recipients: frozenset[str]
) -> None:
    assert may(sender, to, None)
    always = to in ("manager", OPERATOR, sender)
    assert may(sender, to, recipients) == (to in recipients or always)


def test_an_empty_list_does_not_mean_all() -> None:
    assert not may("ann", "bob", frozenset())


def test_the_refusal_says_who_is_allowed() -> None:
    with pytest.raises(NotAllowed, match=r"write to bob: .* to cas, manager, operator") as caught:
        check_rights(Draft("ann", "bob", "x"), Rights(frozenset({"cas"})))
    assert caught.value.code == "not_allowed_recipient"
    with pytest.raises(NotAllowed, match="not send to all agents"):
        check_rights(Draft("ann", EVERYBODY, "x"), Rights(frozenset({"bob"})))


async def test_the_broker_asks_for_the_sender_and_stores_nothing(tmp_path: Path) -> None:
    rights = {"ann": Rights(frozenset())}
    async with open_store(tmp_path / "hive.sqlite", MIGRATIONS) as store:
        broker = Broker(
            store,
            publish=lambda *_: pytest.fail("nothing was sent"),
            directory=Named(lambda: ["ann", "bob"], rights),
        )
        await broker.load()
        for to in ("bob", EVERYBODY):
            with pytest.raises(NotAllowed):
                await broker.send(Draft("ann", to, "text"))
        assert await broker.inbox("bob") == ()
