"""`hive config check`: whether an agent.toml is right, and what it sets; no daemon is asked."""

from pathlib import Path

import click
from attrs import asdict

from hive.cli.errors import CommandFailed
from hive.cli.format import cell, safe, table
from hive.cli.options import AGENT, json_option, print_json


@click.group()
def config() -> None:
    """Check an agent's configuration."""


@config.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--agent", type=AGENT, help="The agent that it is for: its lists name others only.")
@json_option
def check(file: Path, agent: str | None, as_json: bool) -> None:
    """Say everything that is wrong with the agent.toml FILE, or what it sets.

    No cap may be above what this machine has. Prompt files are looked for beside FILE.
    """
    # Its classes take some 50 ms to make, for which no other command should wait.
    from hive.agent_config import AgentConfigError, HostCaps, load, settings, toml_text

    host = HostCaps.of_this_machine()
    try:
        found, prompts = load(file, agent=agent, host=host)
    except AgentConfigError as error:
        if as_json:
            faults = [asdict(one) for one in error.faults]
            print_json({"valid": False, "faults": faults, "settings": [], "prompt_files": []})
        raise CommandFailed(str(error)) from None
    except OSError as error:
        raise CommandFailed(f"{file}: cannot be read: {error.strerror}") from None
    given = [one for one in settings(found) if not one.is_default]
    if as_json:
        keys = [
            {
                "key": one.name,
                "value": one.value,
                "class": one.key.key_class.value,
                "applied": one.key.applied,
            }
            for one in given
        ]
        files = [asdict(one) for one in prompts]
        print_json({"valid": True, "faults": [], "settings": keys, "prompt_files": files})
        return
    rows = [
        (
            cell(one.name),
            cell(toml_text(one.value)),
            one.key.key_class.value,
            "when deployed" if one.key.applied else "not yet",
        )
        for one in given
    ]
    click.echo(f"{safe(str(file))} is valid")
    click.echo(table(("KEY", "VALUE", "CHANGE", "EFFECT"), rows))
    if prompts:
        states = [(cell(one.path), "found" if one.found else "missing") for one in prompts]
        click.echo(table(("PROMPT FILE", ""), states))


COMMANDS = (config,)
