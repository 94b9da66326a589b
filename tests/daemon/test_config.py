"""hive.toml and credentials: strict, and never shown."""

from pathlib import Path

import pytest

from hive.daemon.config import Config, ConfigError, load, parse
from hive.daemon.credentials import demo, resolve


def test_an_empty_file_is_all_defaults() -> None:
    assert parse("") == Config()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[agents]\nbody_capp = 1", "unknown setting agents.body_capp"),
        ("[agent]\n", "unknown setting agent"),
        ("agents = 3", "must be a section"),
        ("[agents]\nbody_cap = '1'", "expected int, got str @ $.agents.body_cap"),
        ("[agents]\nstop_grace_s = 0", "must be above 0"),
        ("[agents]\nbody_cap = 0", "body_cap"),
        ("[agents]\nbody_cap = 1000000", "body_cap"),
        ("[credentials.default]\napi_key = 'a'\noauth_token = 'b'", "keep one"),
        ("[credentials.defautl]\napi_key = 'a'", "unknown setting credentials.defautl"),
        ("[credentials.default]\napikey = 'a'", "unknown setting credentials.default.apikey"),
        ("[claude", "hive.toml: "),
        ("[claude]\nmodel = 2026-01-01", "put it in quotes"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"hive\.toml") as caught:
        parse(text)
    assert says in str(caught.value)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    assert load(tmp_path / "no.toml") == Config()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "no.toml", required=True)


def test_the_file_wins_over_the_environment_and_only_one_is_passed_on() -> None:
    config = parse("[credentials.default]\noauth_token = 'from-file'")
    api = resolve(config, {"ANTHROPIC_API_KEY": "from-environment", "ANTHROPIC_BASE_URL": "u"})
    assert api.variables == (("CLAUDE_CODE_OAUTH_TOKEN", "from-file"), ("ANTHROPIC_BASE_URL", "u"))


def test_two_in_the_environment_are_refused() -> None:
    with pytest.raises(ConfigError, match="unset"):
        resolve(Config(), {"ANTHROPIC_API_KEY": "a", "CLAUDE_CODE_OAUTH_TOKEN": "b"})


def test_none_is_falsy_and_the_demo_is_not() -> None:
    assert not resolve(Config(), {"ANTHROPIC_BASE_URL": "u"})
    assert demo(8000)


def test_nothing_secret_is_in_a_repr() -> None:
    config = parse("[credentials.default]\napi_key = 'sk-secret'")
    assert "sk-secret" not in repr(config) + repr(resolve(config, {}))
