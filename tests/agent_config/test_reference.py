"""docs/agent-toml.md says what the class says."""

import re
from pathlib import Path

from hive.agent_config import AgentConfig, parse, settings
from hive.agent_config.reference import reference

FILE = Path(__file__).parents[2] / "docs/agent-toml.md"


def whole() -> AgentConfig:
    """The example at the top of the document."""
    match = re.search(r"```toml\n(.*?)```", FILE.read_text("utf-8"), re.DOTALL)
    assert match is not None
    return parse(match[1].encode())


def test_the_document_is_current() -> None:
    assert FILE.read_text("utf-8") == reference(), "renew it with `make reference`"


def test_the_example_is_valid_and_has_something_of_every_section() -> None:
    places = {one.path[0] for one in settings(whole()) if not one.is_default}
    assert places == {one.path[0] for one in settings(whole())}


def test_every_key_has_a_row_and_a_sentence() -> None:
    text = FILE.read_text("utf-8")
    for one in settings(whole()):
        if one.path[0] != "environment" and "environment" not in one.path:
            assert f"\n| `{one.path[-1]}` | " in text, one.name
        assert one.key.text.endswith("."), one.name
        assert one.key.text[0].isupper(), one.name
