"""hive.toml and credentials: strict, and never shown."""

from pathlib import Path

import pytest

from hive.daemon.config import Config, ConfigError, NamedCredential, load, parse
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
        ("[credentials.default]\napi_key = 'a'\noauth_token = 'b'", "and not both"),
        ("[credentials.work]\n", "needs one of api_key and oauth_token"),
        ("[credentials]\nwork = 'secret'", "write [credentials.work]"),
        ("credentials = 'secret'", "write [credentials.default]"),
        ("[credentials.Work]\napi_key = 'a'", "'Work' is not a name"),
        ("[credentials.own]\napi_key = 'a'", "an agent's own login"),
        ("[credentials.work]\napi_key = 3", "expected str, got int"),
        ("[credentials.work]\napi_key = 'secret word'", "one word"),
        ("[credentials.work]\napi_key = ''", "one word"),
        ("[claude]\nfallback_models = 'opus'", "expected a list"),
        ("[claude]\nfallback_models = ['a,b']", "cannot be the name of a model"),
        ("[claude]\nfallback_models = ['--debug']", "cannot be the name of a model"),
        ("[gate]\nmargin_s = -1", "gate.margin_s"),
        ("[gate]\nmargin = 1", "unknown setting gate.margin"),
        ("[credentials.default]\napikey = 'a'", "unknown setting credentials.default.apikey"),
        ("[claude", "hive.toml: "),
        ("[claude]\nmodel = 2026-01-01", "put it in quotes"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"hive\.toml") as caught:
        parse(text)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    assert load(tmp_path / "no.toml") == Config()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "no.toml", required=True)


def test_the_file_wins_over_the_environment_and_only_one_is_passed_on() -> None:
    config = parse("[credentials.default]\noauth_token = 'from-file'")
    api = resolve(config, {"ANTHROPIC_API_KEY": "from-environment", "ANTHROPIC_BASE_URL": "u"})
    assert api.environment("default") == (
        ("CLAUDE_CODE_OAUTH_TOKEN", "from-file"),
        ("ANTHROPIC_BASE_URL", "u"),
    )


def test_what_login_kept_wins_over_the_file() -> None:
    config = parse("[credentials.default]\noauth_token = 'from-file'")
    api = resolve(config, {}, (NamedCredential("default", api_key="kept"),))
    assert api.environment("default") == (("ANTHROPIC_API_KEY", "kept"),)
    assert ("default", "from-file") not in api.secrets


def test_each_agent_gets_its_own_credential_and_never_another() -> None:
    config = parse("[credentials.work]\napi_key = 'key-of-work'\n")
    api = resolve(config, {"CLAUDE_CODE_OAUTH_TOKEN": "token"})
    assert api.environment("work") == (("ANTHROPIC_API_KEY", "key-of-work"),)
    assert api.environment("default") == (("CLAUDE_CODE_OAUTH_TOKEN", "token"),)
    assert api.environment("gone") == api.environment("own") == ()
    assert {value for _, value in api.secrets} == {"key-of-work", "token"}


def test_an_unknown_credential_is_refused_with_the_known_ones() -> None:
    api = resolve(parse("[credentials.work]\napi_key = 'a'"), {})
    assert [api.check(name) for name in ("work", "default", "own")] == ["work", "default", "own"]
    with pytest.raises(ConfigError, match="there are: default, own, work"):
        api.check("wrok")


def test_two_in_the_environment_are_refused_unless_they_decide_nothing() -> None:
    both = {"ANTHROPIC_API_KEY": "a", "CLAUDE_CODE_OAUTH_TOKEN": "b"}
    with pytest.raises(ConfigError, match="unset"):
        resolve(Config(), both)
    kept = (NamedCredential("default", api_key="kept"),)
    assert resolve(Config(), both, kept).environment("default") == (("ANTHROPIC_API_KEY", "kept"),)


def test_none_is_falsy_and_the_demo_is_not() -> None:
    assert not resolve(Config(), {"ANTHROPIC_BASE_URL": "u"})
    assert demo(8000)


def test_the_demo_takes_no_real_credential() -> None:
    assert dict(demo(8000).environment("work"))["ANTHROPIC_API_KEY"] == "demo"


def test_nothing_secret_is_in_a_repr() -> None:
    config = parse("[credentials.default]\napi_key = 'sk-secret'")
    kept = (NamedCredential("work", oauth_token="sk-secret"),)
    api = resolve(config, {}, kept)
    assert "sk-secret" not in f"{config!r} {kept!r} {api!r} {api.source}"
