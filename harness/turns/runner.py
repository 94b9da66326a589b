"""The turn runner: drives one turn at a time, from its lease to its report."""

import uuid
from functools import partial

import trio

from harness.cli.arguments import CredentialsError
from harness.cli.claude_process import STOP_S, ClaudeProcess, CliStartFailed, ProcessGone
from harness.cli.outcome import TurnVerdict
from harness.cli.stream_events import StreamEvent
from harness.cli.subreaper import Subreaper
from harness.state import HarnessState
from harness.tools import ToolServer, framed_all
from harness.turns import failpoints
from harness.turns.conversation import START_S, Conversation
from harness.turns.prompts import not_a_command
from harness.turns.turn import RunningTurn, new_turn
from hive.supervisors import Context
from hive.wire.events import Event
from hive.wire.harness import HarnessSettings
from hive.wire.turns import Lease, Outcome, TurnReport, Usage

IDLE_S = 1.0
"""After its result the CLI says within milliseconds that it is idle."""

INTERRUPT_S = 5.0
"""How long an interrupted turn may take to end by itself; then its process is stopped."""

STOPPED_S = INTERRUPT_S + STOP_S
"""Upper bound of the end of a turn that is not wanted any more."""

_EARLY_END_S = 2.0
_TICK_S = 1.0
_ATTEMPTS = 4

EventChannel = trio.MemoryReceiveChannel[StreamEvent]


class TurnRunner:
    """Drives one turn at a time.

    A lease goes through `drive`, `_attempt` (once, or again when that may help), `_perform` (one
    prompt) and `_listen` (each event of the stream).
    """

    def __init__(self, state: HarnessState, tools: ToolServer, subreaper: Subreaper) -> None:
        self._state = state
        self._tools = tools
        self._conversation = Conversation(state, tools, subreaper)
        self._turn: RunningTurn | None = None

    @property
    def session(self) -> str:
        """The id of the session that the next turn goes on with."""
        return self._conversation.session

    @property
    def model(self) -> str | None:
        """The model that the process said it uses; None before it did."""
        return self._conversation.model

    async def run(self, ctx: Context) -> None:
        """One incarnation of the supervised child; when it is cancelled the process is ended."""
        await self._conversation.run(ctx)

    async def drive(self, lease: Lease, settings: HarnessSettings, ctx: Context) -> TurnReport:
        """Run the turn of this lease to its end, and tick `ctx` meanwhile; what came of it.

        When this is cancelled it takes up to `STOPPED_S` to end the turn, and the process if it
        must.
        """
        began, usage, renewed = trio.current_time(), Usage(), False
        for _ in range(_ATTEMPTS):
            turn = new_turn(lease.id, str(uuid.uuid4()), settings.turn_silence_s, usage)
            verdict, retry = await self._attempt(turn, lease, settings, ctx)
            usage = usage + turn.usage
            if verdict.renew and not renewed:
                renewed = retry = True
                ctx.extend(2 * STOP_S)
                await self._conversation.renew(f"its conversation cannot go on ({verdict.detail})")
            if not retry:
                break
        return TurnReport(
            verdict.outcome,
            verdict.detail,
            verdict.until,
            self.session,
            trio.current_time() - began,
            usage,
            verdict.window,
            turn.signals.model or self.model,
        )

    async def _attempt(
        self, turn: RunningTurn, lease: Lease, settings: HarnessSettings, ctx: Context
    ) -> tuple[TurnVerdict, bool]:
        """One attempt at the turn: how it ended, and whether to retry at once."""
        self._turn = turn
        try:
            ctx.extend(START_S)
            claude = await self._conversation.start_or_reuse(settings)
            ctx.tick()
            if not turn.interrupted:
                await self._perform(turn, claude, not_a_command(framed_all(lease)), ctx)
        except CredentialsError as error:
            return TurnVerdict(Outcome.UNAUTHORISED, str(error)), False
        except CliStartFailed as error:
            if turn.interrupted:
                return turn.stopped_verdict(str(error)), False
            return await self._conversation.handle_failed_start(str(error))
        finally:
            self._turn = None
            turn.finished.set()
        self._conversation.note_result(turn.session)
        return turn.verdict(claude.end), False

    async def _perform(
        self, turn: RunningTurn, claude: ClaudeProcess, prompt: str, ctx: Context
    ) -> None:
        """Give the prompt, and listen until the process is idle again or gone."""
        with claude.events() as events:
            try:
                await claude.prompt(prompt, turn.prompt, cost=turn.meter.first_request)
                turn.silence.note_line(trio.current_time())
                while await self._listen(turn, claude, events, ctx):
                    pass
                ctx.extend(_EARLY_END_S + 2 * STOP_S)
                if turn.early_end is not None and not turn.broken:
                    await self._end_early(turn, claude, events)
            except ProcessGone:
                pass
            finally:
                self._tools.end_turn()
                if not turn.idle:
                    with trio.move_on_after(STOP_S, shield=True):
                        await claude.stop()

    async def _listen(
        self, turn: RunningTurn, claude: ClaudeProcess, events: EventChannel, ctx: Context
    ) -> bool:
        """Take one event, or find that there was none for too long; false when the turn is over."""
        await failpoints.hang("turn.hang")
        ctx.tick()
        now = trio.current_time()
        deadline = turn.silence.deadline
        if turn.result_at is not None:
            deadline = min(deadline, turn.result_at + IDLE_S)
        if now >= deadline:
            if turn.evidence.result is None:
                silent = now - turn.silence.last_line_at
                why = f"silent: claude said nothing for {silent:.0f} s"
                turn.early_end = TurnVerdict(Outcome.FAILED, why)
            return False
        if turn.result_at is None and (request := turn.meter.next_request(now)):
            await claude.ask_cost(request)
        with trio.move_on_at(min(deadline, now + _TICK_S)):
            try:
                event = await events.receive()
            except trio.EndOfChannel:
                return False
            if shown := self._take(turn, event):
                self._state.emit(shown)
        return not turn.idle and turn.early_end is None

    def _take(self, turn: RunningTurn, event: StreamEvent) -> Event | None:
        shown = turn.take(event, trio.current_time())
        if push := turn.push_of(event):
            self._state.pushes.put(push)
        return shown

    async def _end_early(
        self, turn: RunningTurn, claude: ClaudeProcess, events: EventChannel
    ) -> None:
        """Have the CLI end the turn, so that it says what it cost and the process lives on.

        Raises ProcessGone.
        """
        with trio.move_on_after(_EARLY_END_S):
            await claude.interrupt()
            while not turn.idle:
                try:
                    self._take(turn, await events.receive())
                except trio.EndOfChannel:
                    return

    # --- ending a turn from outside -------------------------------------------------------------

    async def interrupt(self, timeout: float = INTERRUPT_S, *, over_budget: bool = False) -> None:
        """End the running turn; if it takes more than `timeout` seconds, stop the process.

        Does nothing between turns.
        """
        turn = self._turn
        if turn is None:
            return
        turn.interrupted = True
        turn.over_budget = turn.over_budget or over_budget
        with trio.move_on_after(timeout):
            try:
                if (claude := self._conversation.process) is not None:
                    await claude.interrupt()
                await turn.finished.wait()
                return
            except (ProcessGone, trio.TooSlowError):
                pass
        await self._conversation.stop()

    def interrupt_soon(self, *, over_budget: bool = False) -> None:
        """Begin to interrupt the turn, without waiting; nothing while the runner is restarted."""
        if (nursery := self._conversation.nursery) is not None:
            nursery.start_soon(partial(self.interrupt, over_budget=over_budget))
