"""The turn runner: hosts the claude process and drives one turn at a time on it."""

import os
import sys
import uuid
from functools import partial
from pathlib import Path

import trio
from attrs import evolve

from harness import command, faults, session
from harness.claude import INITIALISE_S, STOP_S, Claude, Gone, StartFailed
from harness.command import CredentialsError, Setup
from harness.offspring import Offspring
from harness.outcome import Seen, Verdict, classify, session_is_taken, session_is_unknown
from harness.prompts import not_a_command, system, wake
from harness.repair import repair
from harness.shared import Shared
from harness.stream import StreamEvent
from harness.tools import Tools, guide
from harness.turn import Turn, new_turn
from hive.supervisors import Context
from hive.wire import Event, HarnessSettings, Lease, Notice, Outcome, TurnReport, Usage

IDLE_S = 1.0
"""After its result the CLI says within milliseconds that it is idle."""

INTERRUPT_S = 5.0
"""What an interrupted turn gets to end by itself; then the process is stopped."""

STOPPED_S = INTERRUPT_S + STOP_S
"""Upper bound of the end of a turn that is not wanted any more."""

START_S = INITIALISE_S + 2 * STOP_S
"""Upper bound of the start of a process, the end of the one before included."""

_CUT_S = 2.0
_LOOK_S = 1.0
_ROUNDS = 4


Events = trio.MemoryReceiveChannel[StreamEvent]


class Turns:
    """Drives turns. The process outlives the turn, and is resumed when it has ended."""

    def __init__(self, shared: Shared, tools: Tools, offspring: Offspring) -> None:
        self._shared = shared
        self._tools = tools
        self._offspring = offspring
        self._nursery: trio.Nursery | None = None
        self._claude: Claude | None = None
        self._running: tuple[Setup, str] | None = None
        self._turn: Turn | None = None
        self._file = shared.options.folders.harness / "session"
        self._session = session.load(self._file)

    @property
    def session(self) -> str:
        """The session that the next turn goes on with."""
        return self._session.id

    @property
    def model(self) -> str | None:
        """The model that the running process told."""
        return self._claude.model if self._claude else None

    async def run(self, ctx: Context) -> None:
        """One incarnation of the supervised child; its end ends the process."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                ctx.ready()
                await self._offspring.reap_for_ever()
            finally:
                self._nursery = None

    async def drive(self, lease: Lease, settings: HarnessSettings, ctx: Context) -> TurnReport:
        """Run a turn to its end, ticking all the while.

        Cancelled, it takes up to `STOPPED_S` to end the turn, and the process if it must.
        """
        began, usage, renewed = trio.current_time(), Usage(), False
        for _ in range(_ROUNDS):
            turn = new_turn(lease.id, str(uuid.uuid4()), settings.turn_silence_s, usage)
            verdict, again = await self._round(turn, lease, settings, ctx)
            usage = usage + turn.usage
            if verdict.renew and not renewed:
                renewed = again = True
                ctx.extend(2 * STOP_S)
                await self._renew(f"its conversation cannot go on ({verdict.detail})")
            if not again:
                break
        return TurnReport(
            verdict.outcome,
            verdict.detail,
            verdict.until,
            self._session.id,
            trio.current_time() - began,
            usage,
            verdict.window,
            turn.signals.model or self.model,
        )

    async def interrupt(self, patience: float = INTERRUPT_S, *, over_budget: bool = False) -> None:
        """End the running turn: it has `patience` s to do so before the process is stopped."""
        turn = self._turn
        if turn is None:
            return
        turn.interrupted = True
        turn.over_budget = turn.over_budget or over_budget
        with trio.move_on_after(patience):
            try:
                if self._claude is not None:
                    await self._claude.interrupt()
                await turn.left.wait()
                return
            except (Gone, trio.TooSlowError):
                pass
        await self.stop()

    def interrupt_soon(self, *, over_budget: bool = False) -> None:
        """`interrupt`, without waiting for it."""
        if self._nursery is not None:
            self._nursery.start_soon(partial(self.interrupt, over_budget=over_budget))

    async def stop(self) -> None:
        """End the process, if there is one."""
        if self._claude is not None:
            await self._claude.stop()

    # --- inside ---------------------------------------------------------------------------------

    async def _round(
        self, turn: Turn, lease: Lease, settings: HarnessSettings, ctx: Context
    ) -> tuple[Verdict, bool]:
        """One attempt; the second value says that another one may go better at once."""
        self._turn = turn
        try:
            ctx.extend(START_S)
            claude = await self._ready(settings)
            ctx.tick()
            if not turn.interrupted:
                await self._drive(turn, claude, not_a_command(wake(lease)), ctx)
        except CredentialsError as error:
            return Verdict(Outcome.UNAUTHORISED, str(error)), False
        except StartFailed as error:
            return await self._not_started(turn, str(error))
        finally:
            self._turn = None
            turn.left.set()
        if turn.session == self._session.id and not self._session.known:
            self._session = evolve(self._session, known=True)
            session.save(self._file, self._session)
        return turn.verdict(claude.how), False

    async def _not_started(self, turn: Turn, why: str) -> tuple[Verdict, bool]:
        ended = self._claude.how if self._claude else None
        if turn.interrupted:
            return turn.stopped(why), False
        if ended is None:
            return Verdict(Outcome.FAILED, why), False
        if session_is_taken(ended.stderr):
            self._session = evolve(self._session, known=True)
            return Verdict(Outcome.FAILED, "claude has the session and cannot resume it"), True
        if session_is_unknown(Seen(ended=ended)):
            await self._renew("claude cannot resume its conversation")
            return Verdict(Outcome.FAILED, "claude does not know a session that is new"), True
        if await self._repair():
            return Verdict(Outcome.FAILED, f"{why}: files of its own are damaged"), True
        verdict = classify(Seen(ended=ended))
        return evolve(verdict, detail=f"{why}: {verdict.detail}"), False

    async def _drive(self, turn: Turn, claude: Claude, prompt: str, ctx: Context) -> None:
        """From the prompt until the process is idle again, or gone."""
        with claude.events() as events:
            try:
                await claude.prompt(prompt, turn.prompt, cost=turn.meter.first)
                turn.patience.line(trio.current_time())
                while await self._listen(turn, claude, events, ctx):
                    pass
                ctx.extend(_CUT_S + 2 * STOP_S)
                if turn.cut is not None and not turn.broken:
                    await self._cut_short(turn, claude, events)
            except Gone:
                pass
            finally:
                self._tools.end_turn()
                if not turn.over:
                    with trio.move_on_after(STOP_S, shield=True):
                        await claude.stop()

    async def _listen(self, turn: Turn, claude: Claude, events: Events, ctx: Context) -> bool:
        """Take one event, or see that there was none for too long; false when that is all."""
        await faults.hang("turn.hang")
        ctx.tick()
        now = trio.current_time()
        deadline = turn.patience.deadline
        if turn.result_at is not None:
            deadline = min(deadline, turn.result_at + IDLE_S)
        if now >= deadline:
            self._out_of_patience(turn)
            return False
        if turn.result_at is None and (request := turn.meter.due(now)):
            await claude.ask_cost(request)
        with trio.move_on_at(min(deadline, now + _LOOK_S)):
            try:
                event = await events.receive()
            except trio.EndOfChannel:
                return False
            if shown := self._take(turn, event):
                self._shared.emit(shown)
        return not turn.over and turn.cut is None

    def _take(self, turn: Turn, event: StreamEvent) -> Event | None:
        shown = turn.take(event, trio.current_time())
        if hint := turn.hint(event):
            self._shared.hints.put(hint)
        return shown

    async def _cut_short(self, turn: Turn, claude: Claude, events: Events) -> None:
        """Let the CLI end the turn: so it says what it cost, and the process lives. Raises Gone."""
        with trio.move_on_after(_CUT_S):
            await claude.interrupt()
            while not turn.over:
                try:
                    self._take(turn, await events.receive())
                except trio.EndOfChannel:
                    return

    def _out_of_patience(self, turn: Turn) -> None:
        if turn.seen.result is None:
            seconds = trio.current_time() - turn.patience.heard
            turn.cut = Verdict(Outcome.FAILED, f"silent: claude said nothing for {seconds:.0f} s")

    async def _ready(self, settings: HarnessSettings) -> Claude:
        """The process that takes the next prompt: the one that is there, or a new one."""
        setup = self._setup(settings)
        claude = self._claude
        if claude is not None and not claude.gone.is_set():
            if self._running == (setup, self._session.id):
                return claude
            await claude.stop()
        if self._nursery is None:
            raise StartFailed("the turn runner is being restarted")
        await self._repair()
        claude = self._claude = Claude(self._tools, self._offspring)
        self._running = setup, self._session.id
        options = self._shared.options
        argv = (*options.wrap, *command.argv(setup, self._session))
        host = partial(claude.host, argv, dict(setup.environment), options.folders.state)
        await self._nursery.start(host, name="claude")
        ready = False
        try:
            await claude.initialise(_system_prompt(self._shared, settings))
            ready = True
        finally:
            if not ready:
                with trio.move_on_after(STOP_S, shield=True):
                    await claude.stop()
        return claude

    def _setup(self, settings: HarnessSettings) -> Setup:
        if settings.claude is None:
            raise StartFailed("no claude: the daemon did not say which one it has found")
        folders, root = self._shared.options.folders, os.geteuid() == 0
        return Setup(
            settings.claude,
            settings.model,
            settings.fallback_models,
            command.environment(
                folders,
                settings.environment,
                root=root,
                container=os.environ.get(command.CONTAINER),
                commands=str(Path(sys.executable).parent),
            ),
        )

    async def _repair(self) -> bool:
        """Set aside what is damaged of the CLI's own files, and say so; whether there was any."""
        home, number = self._shared.options.folders.claude, self._session.id
        found = await trio.to_thread.run_sync(repair, home, number, abandon_on_cancel=True)
        for note in found.notes:
            self._shared.emit(Notice(note))
        if found.lost_session:
            self._session = session.fresh()
        return bool(found.notes)

    async def _renew(self, why: str) -> None:
        """Begin a new conversation at the next prompt."""
        await self.stop()
        self._session = session.fresh()
        self._shared.emit(Notice(f"{why}: a new one begins"))


def _system_prompt(shared: Shared, settings: HarnessSettings) -> str:
    options = shared.options
    state = str(options.folders.state)
    tools = guide(settings.body_cap)
    return system(options.name, settings.peers, state=state, tools=tools)
