"""Mirror of the harness's serve loop: opens and parks the agent, and sees when it does not work.

A loop that is alive but does nothing is the worst failure, because every page says "healthy":
something queued, nobody parked, no turn begun. This child finds it and restarts the harness.
"""

import trio
from attrs import frozen

from hive.agents.agent import Agent
from hive.alarm import trio_time
from hive.gate import Hold
from hive.supervisors import Context, Park
from hive.wire.daemon import Notice

CHECK_EVERY_S = 5.0
"""Or often enough for the alarm's deadline; fifty idle agents must cost next to nothing."""


@frozen
class WorkProgress:
    """What `why_stuck` decides on: for how many seconds `queued` messages wait without a turn."""

    connected: bool
    queued: int
    stuck_for: float


def why_stuck(progress: WorkProgress, *, after: float) -> str | None:
    """Return why the harness must be restarted, None if all is well; `after` in seconds."""
    if not progress.connected:
        return None  # the container child watches for silence
    if progress.stuck_for > after:
        return f"{progress.queued} queued but no turn begun for {progress.stuck_for:.0f} s"
    return None


async def serve(ctx: Context, agent: Agent) -> None:
    """The supervised child: lets the agent take work, and raises Park while it has to wait."""
    agent.park_request = trio.Event()
    await agent.dependencies.limits.join(agent)
    await agent.forget_ended_parks()
    agent.hold = agent.dependencies.limits.hold(agent)
    if (wait := agent.why_waiting) is not None:  # nothing is awaited between this and the opening
        ctx.ready()
        raise _park(wait)
    ctx.on_suspend(lambda halt: agent.close() if halt else agent.open.set())
    if not ctx.suspended:
        agent.open.set()
    ctx.ready()
    agent.changed()
    try:
        await _watch(ctx, agent)
    finally:
        agent.close()


def _park(wait: Hold) -> Park:
    return Park(wait.reason, trio_time(wait.until))


async def _watch(ctx: Context, agent: Agent) -> None:
    fine_at = trio.current_time()
    every = min(CHECK_EVERY_S, agent.dependencies.config.alarm_after_s / 4)
    while True:
        ctx.tick()
        with trio.move_on_after(every):
            await agent.park_request.wait()
            agent.park_request = trio.Event()
            if (wait := agent.why_waiting) is not None:
                raise _park(wait)
            if not ctx.suspended:
                agent.open.set()  # what closed it is over already
        now = trio.current_time()
        queued = agent.counts.queued
        if not queued or agent.lease is not None or agent.peer is None or ctx.suspended:
            fine_at = now
        progress = WorkProgress(
            connected=agent.peer is not None,
            queued=queued,
            stuck_for=now - fine_at,
        )
        if why := why_stuck(progress, after=agent.dependencies.config.alarm_after_s):
            agent.publish(Notice(f"{agent.name}: {why}; its harness is restarted"))
            fine_at = now
            agent.restart_request.set()
