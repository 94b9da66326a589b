"""Every command: reads its arguments, asks the daemon, prints. Start-up is in `hive.cli.up`."""

import errno
import math
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

import click

from hive.cli import (
    budget,
    hand,
    login,
    questions,
    reminders,
    rights,
    schedules,
    show,
    undelivered,
    up,
)
from hive.cli.ask import ANSWER_S, CommandFailed, Pushes, ask, with_daemon
from hive.cli.gate import gate
from hive.cli.options import (
    AgentName,
    check_words,
    json_option,
    message_json,
    print_json,
    root_option,
    show_any_text,
    text_argument,
)
from hive.cli.rights import may_send_option
from hive.link import Peer
from hive.output import finish_output, open_standard_streams
from hive.wire import (
    DEFAULT_CREDENTIAL,
    EVERYBODY,
    MOST_ROWS,
    OPERATOR,
    OWN_LOGIN,
    Ack,
    AgentCommand,
    Awaited,
    Done,
    EventBatch,
    Events,
    Follow,
    GetEvents,
    GetInbox,
    GetStatus,
    GetThread,
    Inbox,
    LiveEvent,
    MessageState,
    OperatorSend,
    Sent,
    Spawn,
    Status,
    WaitReply,
    clamp,
    flat,
    jsonable,
)

AGENT = AgentName()
STOP_S = 60.0
LONGEST_WAIT_S = 600.0
"""One request waits at most so long for an answer; then it is asked again."""


_UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class OutputLost(Exception):
    """Standard output cannot be written; an OSError would be taken for one of the link."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


class Commands(click.Group):
    """Takes and shows text of any kind; turns CommandFailed into a line on stderr and its code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        show_any_text()
        check_words(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CommandFailed as error:
            fail(str(error), error.code)

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run a command; what nobody reads, or no disk takes, ends it quietly."""
        open_standard_streams()
        before = sys.stdout
        try:
            return super().main(*arguments, **options)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            no_reader = sys.stdout is not before  # click has replaced it for that reason
            sys.exit(finish_output(code, BrokenPipeError() if no_reader else None))
        except OutputLost as lost:
            sys.exit(finish_output(0, lost.error))
        except OSError as error:
            if error.errno not in _UNWRITABLE or error.filename is not None:
                raise
            sys.exit(finish_output(1, error))


def fail(message: str, code: int) -> NoReturn:
    try:
        click.echo(f"hive: {show.safe(message)}", err=True)
    except OSError:
        pass  # the exit code says it
    sys.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperhive")
def main() -> None:
    """Keep a hive of coding agents alive.

    Exit codes: 0 ok, 1 failed, 2 usage, 3 no daemon, 4 a daemon that does not answer, 5 it may or
    may not have been done.
    """


main.add_command(up.up)
main.add_command(up.daemon)
main.add_command(up.web)
main.add_command(up.down)
for group in (gate, rights.rights, login.login, reminders.reminders, schedules.schedules):
    main.add_command(group)
for command in (
    *hand.COMMANDS,
    *budget.COMMANDS,
    *undelivered.COMMANDS,
    *questions.COMMANDS,
):
    main.add_command(command)


@main.command()
@root_option
@json_option
@click.option("--watch", is_flag=True, help="Show it again every second until Ctrl-C.")
def status(root: Path, as_json: bool, watch: bool) -> None:
    """Show every agent and the whole supervisor tree, across daemon and harnesses."""
    if not watch:
        print_status(cast(Status, ask(root, GetStatus())), as_json)
        return
    import rich.live
    import rich.text

    with rich.live.Live(auto_refresh=False, screen=True) as live:
        while True:
            whole = cast(Status, ask(root, GetStatus()))
            live.update(rich.text.Text(show.status(whole), no_wrap=True), refresh=True)
            time.sleep(1)


def print_status(whole: Status, as_json: bool) -> None:
    if as_json:
        print_json(jsonable(whole))
    else:
        click.echo(show.status(whole))


@main.command()
@root_option
@json_option
def agents(root: Path, as_json: bool) -> None:
    """List the agents, one line each."""
    whole = cast(Status, ask(root, GetStatus()))
    if as_json:
        print_json([jsonable(one) for one in whole.agents])
    else:
        click.echo(show.agents(whole.agents))


@main.command()
@click.argument("name", type=AGENT)
@click.option("--driver", help="How its container is made: bubblewrap or process.")
@click.option("--model", help="The model it uses; default: [claude] model in hive.toml.")
@click.option(
    "--credential",
    default=DEFAULT_CREDENTIAL,
    show_default=True,
    help=f"The credential it uses; {OWN_LOGIN}: a login of its own, see hive login NAME.",
)
@may_send_option
@root_option
def spawn(
    name: str,
    driver: str | None,
    model: str | None,
    credential: str,
    may_send: tuple[str, ...] | None,
    root: Path,
) -> None:
    """Create the agent NAME and start it."""
    ask(root, Spawn(name, driver, model, credential, may_send), timeout=STOP_S)
    click.echo(f"{name} runs")


def _agent_command(action: str, past: str, text: str) -> None:
    @main.command(action, help=text)
    @click.argument("name", type=AGENT)
    @root_option
    def command(name: str, root: Path) -> None:
        ask(root, AgentCommand(name, action), timeout=STOP_S)
        click.echo(f"{name} {past}")


_agent_command("start", "runs", "Start the stopped agent NAME.")
_agent_command("stop", "is stopped", "Stop NAME in order; its messages wait for its return.")
_agent_command("restart", "is restarted", "Stop and start NAME; nothing is lost.")


@main.command()
@click.argument("name", type=AGENT)
@click.option("--yes", is_flag=True, help="Do not ask.")
@root_option
def destroy(name: str, yes: bool, root: Path) -> None:
    """End NAME for good: what it had not done goes back to its senders, its folder stays aside."""
    if not yes:
        click.confirm(f"Destroy {name}? Nobody can reach it any more", abort=True)
    ask(root, AgentCommand(name, "destroy"), timeout=STOP_S)
    click.echo(f"{name} is destroyed; its folder is kept in {root / 'destroyed'}")


@main.command()
@click.argument("name", metavar="NAME")
@click.argument("text", metavar="TEXT|-")
@click.option("--from", "sender", default=OPERATOR, show_default=True, help="In whose name.")
@click.option("--in-reply-to", type=int, help="The message that this answers.")
@click.option("--urgent", is_flag=True, help="It may use the reserve of a budget.")
@click.option("--key", help="Its idempotency key: sent again with it within a day, it is the same.")
@click.option("--wait", is_flag=True, help="Wait for NAME's answer and print it.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, max=30 * 86400),
    default=600.0,
    show_default=True,
    help="For --wait, in s.",
)
@root_option
def send(
    name: str,
    text: str,
    sender: str,
    in_reply_to: int | None,
    urgent: bool,
    key: str | None,
    wait: bool,
    timeout: float,
    root: Path,
) -> None:
    """Send TEXT (or standard input for -) to NAME, or to all agents for *; print its id."""
    if wait and (name in (EVERYBODY, OPERATOR) or sender != OPERATOR):
        raise click.UsageError(
            "--wait is for one agent's answer to you: it goes neither with * or operator as NAME "
            "nor with --from"
        )
    if math.isnan(timeout):
        raise click.UsageError("--timeout is a number of seconds")
    key = key or uuid.uuid4().hex
    body = OperatorSend(name, text_argument(text), sender, in_reply_to, key, urgent)
    hint = f"sending it again with `--key {key}` within a day stores it once only"
    id_ = cast(Sent, ask(root, body, hint=hint)).id
    click.echo(show.safe(_answer(root, name, id_, timeout)) if wait else id_)


def _answer(root: Path, name: str, id_: int, timeout: float) -> str:
    """Wait for the answer to message `id_`; raises CommandFailed when there is none."""
    deadline = time.monotonic() + timeout
    while True:
        left = clamp(deadline - time.monotonic(), 0.0, LONGEST_WAIT_S)
        try:
            found = cast(Awaited, ask(root, WaitReply(id_, left), timeout=left + ANSWER_S))
        except CommandFailed as error:
            kept = f"message {id_} is stored, `hive inbox` will show its answer"
            raise CommandFailed(f"{error} ({kept})", error.code) from None
        if found.answer is not None:
            return found.answer.body
        if found.question.state in (MessageState.DEAD, MessageState.HELD):
            break
        if time.monotonic() >= deadline:
            break
    raise CommandFailed(_no_answer(name, found, timeout))


def _no_answer(name: str, found: Awaited, timeout: float) -> str:
    id_ = found.question.id
    match found.question.state:
        case MessageState.DEAD:
            why = found.bounce.body.partition("\nIt began:")[0] if found.bounce else ""
            return f"{name} will not answer: {why or f'message {id_} is dead'}"
        case MessageState.HELD:
            return (
                f"{name} does not answer for now: message {id_} was returned too often and waits "
                f"for you; `hive retry {id_}` or `hive drop {id_}`"
            )
        case MessageState.DONE:
            return (
                f"{name} has ended its turn for message {id_} and sent no answer within "
                f"{timeout:g} s; `hive inbox` shows what it sent to you, `hive events {name}` "
                "what it did"
            )
        case state:
            what = "waits" if state is MessageState.QUEUED else "is worked on"
            return f"{name} sent nothing within {timeout:g} s (message {id_} {what})"


@main.command()
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(1, MOST_ROWS), default=50, show_default=True)
@click.option("--ack", is_flag=True, help="Mark the operator's shown messages as read.")
@root_option
@json_option
def inbox(name: str | None, limit: int, ack: bool, root: Path, as_json: bool) -> None:
    """Show the messages to NAME; without NAME those to the operator."""
    if ack and name not in (None, OPERATOR):
        raise click.UsageError("--ack is for the operator's own inbox: leave NAME out")
    messages = cast(Inbox, ask(root, GetInbox(name, limit))).messages
    if as_json:
        print_json([message_json(one) for one in messages])
    else:
        click.echo("\n".join(map(show.message, messages)) or "no messages")
    if ack and messages:
        ask(root, Ack(tuple(one.id for one in messages)))


@main.command()
@click.argument("number", metavar="ID", type=click.IntRange(min=1))
@root_option
@json_option
def thread(number: int, root: Path, as_json: bool) -> None:
    """Show message ID with what it answers and what answers it, oldest first."""
    messages = cast(Inbox, ask(root, GetThread(number))).messages
    if as_json:
        print_json([message_json(one) for one in messages])
    elif messages:
        click.echo("\n".join(map(show.message, messages)))
    else:
        raise CommandFailed(f"there is no message {number}")


@main.command()
@click.argument("name", required=False, type=AGENT)
@click.option("--follow", is_flag=True, help="Go on with what comes.")
@click.option("--since", type=int, default=0, help="Only events above this sequence number.")
@click.option("--limit", type=click.IntRange(1, MOST_ROWS), default=200, show_default=True)
@root_option
@json_option
def events(
    name: str | None, follow: bool, since: int, limit: int, root: Path, as_json: bool
) -> None:
    """Show LiveEvents, of NAME or of the whole hive, oldest first."""
    pushes = Pushes()

    async def use(peer: Peer) -> None:
        recent = cast(Events, await peer.request(GetEvents(name, since, limit), timeout=30))
        print_events(recent.events, as_json)
        if not follow:
            return
        cast(Done, await peer.request(Follow(name, recent.seq), timeout=30))
        async for pushed in pushes.receive:
            if not isinstance(pushed, EventBatch):
                break
            print_events(pushed.events, as_json)
        raise CommandFailed("the stream of events broke off: start again with --since SEQ")

    with_daemon(root, use, pushes)


def print_events(batch: Sequence[LiveEvent], as_json: bool) -> None:
    try:
        for live in batch:
            if as_json:
                print_json(flat(live))
            else:
                click.echo(show.event(live))
    except OSError as error:
        raise OutputLost(error) from None
