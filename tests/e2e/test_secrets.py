"""A credential that a program in a container prints is nowhere to be found afterwards."""

from collections.abc import Callable
from pathlib import Path

from e2e.test_tools import QUIET, call
from support.model_api import ModelApi
from support.running import RunningHive

KEY = "key-of-the-test-77ab01de55f4477c"


def test_env_shows_no_credential(model: ModelApi, make_hive: Callable[..., RunningHive]) -> None:
    hive = make_hive({**model.environment, "ANTHROPIC_API_KEY": KEY})
    hive.up()
    printed = [call("Bash", command="env; echo done >&2"), call("set_status", text=f"uses {KEY}")]
    said = [{"type": "say", "text": f"it is {KEY}"}, call("send", to="operator", body=f"= {KEY}")]
    for blocks in (printed, said):
        model.rule({"type": "answer", "blocks": blocks}, text="show it", count=1)
    model.rule(QUIET)
    hive.ok("send", "--wait", "manager", f"show it, also {KEY}")
    events = hive.events("manager")
    assert any("ANTHROPIC_API_KEY=[secret" in e.get("text", "") for e in events)
    (answer,) = (one for one in hive.json("inbox") if one["body"].startswith("= "))
    assert answer["body"] == "= [secret ANTHROPIC_API_KEY]"
    assert KEY not in hive.ok("status") + str(hive.run("events").stdout)
    hive.terminate()
    kept = [
        *(hive.root / "agents/manager/harness").iterdir(),
        *hive.root.glob("hive.sqlite*"),
        *hive.root.glob("run/*.log"),
    ]
    assert any(file.name == "events.sqlite" for file in kept)
    assert [str(file) for file in kept if _has_it(file)] == []


def _has_it(file: Path) -> bool:
    return file.is_file() and KEY.encode() in file.read_bytes()
