"""Turns with the real CLI: a scripted model behind it, an in-memory daemon before it."""

from hive.wire import Outcome


async def test_a_message_is_worked_on_and_answered_through_the_tool(start):
    async with start() as hive:
        number = hive.daemon.deliver("Please say hello.", sender="manager")
        (report,) = await hive.daemon.reports(1)
        assert report.outcome is Outcome.COMPLETED
        (sent,) = hive.daemon.sent
        assert sent.to == "manager" and sent.in_reply_to == number and sent.key
