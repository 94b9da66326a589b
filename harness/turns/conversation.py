"""The conversation that an agent's turns continue: a session of the CLI, and its process."""

import os
import sys
from functools import partial
from pathlib import Path

import trio
from attrs import evolve

from harness.cli import arguments, session
from harness.cli.arguments import CliSetup
from harness.cli.claude_process import INITIALISE_S, STOP_S, ClaudeProcess, CliStartFailed
from harness.cli.outcome import (
    ProcessEnd,
    TurnEvidence,
    TurnVerdict,
    classify,
    session_is_taken,
    session_is_unknown,
)
from harness.cli.repair import repair
from harness.cli.subreaper import Subreaper
from harness.state import HarnessState
from harness.tools import ToolServer, guide
from harness.turns.prompts import system_prompt
from hive.supervisors import Context
from hive.wire.daemon import Notice
from hive.wire.harness import HarnessSettings
from hive.wire.turns import Outcome

START_S = INITIALISE_S + 2 * STOP_S
"""Upper bound of the start of a process, with the end of the one before it."""


class Conversation:
    """Keeps the process between turns; when it has ended, the next one resumes the session."""

    def __init__(self, state: HarnessState, tools: ToolServer, subreaper: Subreaper) -> None:
        self.process: ClaudeProcess | None = None
        """The process of the last turn, which may have ended; None before the first."""
        self.nursery: trio.Nursery | None = None
        """Where `run` keeps the process; None while the turn runner is being restarted."""
        self._state = state
        self._tools = tools
        self._subreaper = subreaper
        self._running: tuple[CliSetup, str] | None = None
        self._file = state.options.folders.harness / "session"
        self._session = session.load(self._file)

    @property
    def session(self) -> str:
        """The id of the session that the next turn goes on with."""
        return self._session.id

    @property
    def model(self) -> str | None:
        """The model that the process said it uses; None before it did."""
        return self.process.model if self.process else None

    @property
    def process_end(self) -> ProcessEnd | None:
        """How the process ended; None while it lives, and before the first."""
        return self.process.end if self.process else None

    async def run(self, ctx: Context) -> None:
        """Have a place to run the process in, and reap what it leaves; never returns.

        When this is cancelled the process is ended.
        """
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            try:
                ctx.ready()
                await self._subreaper.reap_for_ever()
            finally:
                self.nursery = None

    async def start_or_reuse(self, settings: HarnessSettings) -> ClaudeProcess:
        """The process that takes the next prompt: the one that runs, or a new one.

        Raises CliStartFailed when no process could be made ready, and CredentialsError when the
        settings have more than one kind of credentials.
        """
        setup = self._setup(settings)
        claude = self.process
        if claude is not None and not claude.gone.is_set():
            if self._running == (setup, self._session.id):
                return claude
            await claude.stop()
        if self.nursery is None:
            raise CliStartFailed("the turn runner is being restarted")
        await self._repair()
        claude = self.process = ClaudeProcess(self._tools, self._subreaper)
        self._running = setup, self._session.id
        options = self._state.options
        argv = (*options.wrap, *arguments.argv(setup, self._session))
        run = partial(claude.run, argv, dict(setup.environment), options.folders.state)
        await self.nursery.start(run, name="claude")
        ready = False
        try:
            await claude.initialise(_system_prompt(self._state, settings))
            ready = True
        finally:
            if not ready:
                with trio.move_on_after(STOP_S, shield=True):
                    await claude.stop()
        return claude

    async def handle_failed_start(self, why: str) -> tuple[TurnVerdict, bool]:
        """Repair what kept the process from starting, as far as that is known; `why` it did not.

        Returns how the attempt ended, and whether to retry at once.
        """
        ended = self.process_end
        if ended is None:
            return TurnVerdict(Outcome.FAILED, why), False
        if session_is_taken(ended.stderr):
            self._session = evolve(self._session, known=True)
            return TurnVerdict(Outcome.FAILED, "claude has the session and cannot resume it"), True
        if session_is_unknown(TurnEvidence(ended=ended)):
            await self.renew("claude cannot resume its conversation")
            return TurnVerdict(Outcome.FAILED, "claude does not know a session that is new"), True
        if await self._repair():
            return TurnVerdict(Outcome.FAILED, f"{why}: files of its own are damaged"), True
        verdict = classify(TurnEvidence(ended=ended))
        return evolve(verdict, detail=f"{why}: {verdict.detail}"), False

    def note_result(self, session_id: str | None) -> None:
        """Note that the CLI has given a result in that session: now it can be resumed."""
        if session_id == self._session.id and not self._session.known:
            self._session = evolve(self._session, known=True)
            session.save(self._file, self._session)

    async def renew(self, why: str) -> None:
        """End the process, and begin a new session at the next prompt."""
        await self.stop()
        self._session = session.new_session()
        self._state.emit(Notice(f"{why}: a new one begins"))

    async def stop(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            await self.process.stop()

    # --- inside ---------------------------------------------------------------------------------

    def _setup(self, settings: HarnessSettings) -> CliSetup:
        if settings.claude is None:
            raise CliStartFailed("no claude: the daemon did not say which one it has found")
        folders, root = self._state.options.folders, os.geteuid() == 0
        return CliSetup(
            settings.claude,
            settings.model,
            settings.fallback_models,
            arguments.environment(
                folders,
                settings.environment,
                root=root,
                container=os.environ.get(arguments.CONTAINER),
                commands=str(Path(sys.executable).parent),
            ),
        )

    async def _repair(self) -> bool:
        """Set aside the CLI's files that are damaged, with a notice; whether there were any."""
        home, number = self._state.options.folders.claude, self._session.id
        found = await trio.to_thread.run_sync(repair, home, number, abandon_on_cancel=True)
        for note in found.notes:
            self._state.emit(Notice(note))
        if found.lost_session:
            self._session = session.new_session()
        return bool(found.notes)


def _system_prompt(state: HarnessState, settings: HarnessSettings) -> str:
    options = state.options
    folder = str(options.folders.state)
    tools = guide(settings.body_cap)
    return system_prompt(options.name, settings.peers, state=folder, tools=tools)
