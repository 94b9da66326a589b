"""Every command: reads its arguments, asks the daemon, prints. Start-up is in `hive.cli.up`."""

import sys
import time
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
from hive.cli.ask import CommandFailed, Pushes, ask, with_daemon
from hive.cli.gate import gate
from hive.cli.options import (
    AgentName,
    json_option,
    message_json,
    print_json,
    root_option,
    text_argument,
)
from hive.cli.rights import may_send_option
from hive.link import Peer
from hive.wire import (
    DEFAULT_CREDENTIAL,
    EVERYBODY,
    LONGEST_REPLY_S,
    MOST_ROWS,
    OPERATOR,
    OWN_LOGIN,
    Ack,
    AgentCommand,
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
    OperatorSend,
    Sent,
    Spawn,
    Status,
    WaitReply,
    flat,
    jsonable,
)

AGENT = AgentName()
STOP_S = 60.0


class Commands(click.Group):
    """Turns CommandFailed into a line on stderr and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CommandFailed as error:
            fail(str(error), error.code)
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(0)


def fail(message: str, code: int) -> NoReturn:
    click.echo(f"hive: {show.safe(message)}", err=True)
    sys.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyperhive")
def main() -> None:
    """Keep a hive of coding agents alive.

    Exit codes: 0 ok, 1 failed, 2 usage, 3 no daemon.
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
@click.option("--wait", is_flag=True, help="Print what NAME then sends to the operator.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, LONGEST_REPLY_S),
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
    wait: bool,
    timeout: float,
    root: Path,
) -> None:
    """Send TEXT (or standard input for -) to NAME, or to all agents for *; print its id."""
    if wait and name == EVERYBODY:
        raise click.UsageError("--wait is for one agent's answer: it cannot be used with *")
    body = OperatorSend(name, text_argument(text), sender, in_reply_to, urgent=urgent)

    async def use(peer: Peer) -> tuple[int, Inbox | None]:
        sent = cast(Sent, await peer.request(body, timeout=30))
        if not wait:
            return sent.id, None
        question = WaitReply(name, sent.id, timeout)
        return sent.id, cast(Inbox, await peer.request(question, timeout=timeout + 10))

    sent_id, answer = with_daemon(root, use)
    if answer is None:
        click.echo(sent_id)
    elif answer.messages:
        click.echo(show.safe(answer.messages[0].body))
    else:
        raise CommandFailed(f"{name} sent nothing within {timeout:g} s (message {sent_id} waits)")


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
    for live in batch:
        if as_json:
            print_json(flat(live))
        else:
            click.echo(show.event(live))
