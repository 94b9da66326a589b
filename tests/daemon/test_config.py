"""hive.toml and credentials: strict, and never shown."""

import os
from pathlib import Path

import pytest

from hive.credentials import BadCredential, NamedCredential, demo_access, resolve
from hive.daemon.config import Config, ConfigError, load, parse
from hive.wire.names import check_model


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
        ("[agents]\nharness_silence_s = 6", "harness_silence_s must be 12 seconds or more"),
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
        ("[retention]\nevents_days = 0", "retention.events_days must be above 0 days"),
        ("[reminders]\nburst = 0", "reminders.burst must be above 0"),
        ("claude = []", "claude must be a section: write [claude]"),
        ("[gate]\nmargin_s = -1\n[agent]\n", "gate.margin_s must be 0 seconds or more"),
        ("[gate]\nmargin_s = -1\n[agent]\n", "unknown setting agent, known are"),
        ("[credentials.default]\napikey = 'a'", "unknown setting credentials.default.apikey"),
        ("[claude", "hive.toml: "),
        ("[claude]\nmodel = 2026-01-01", "claude.model: no setting is a date or time"),
        ("[claude]\nmodel = 12:00:00", "put it in quotes"),
        ("[claude]\nmodel = ''", "cannot be the name of a model"),
        ('[claude]\npath = "a\\u0000b"', "claude.path: a text holds no NUL"),
        ('[claude]\nmodel = "a\u0000"', "hive.toml: "),
        ("[claude]\nfallback_models = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("[claude]\nfallback_models = " + "[" * 100 + "]" * 100, "nested too deeply"),
        (".".join("a" * 5000) + " = 1", "nested too deeply"),
        ("x = " + "{a = " * 2000 + "1" + "}" * 2000, "nested too deeply"),
        ("[agents]\nstop_grace_s = inf", "agents.stop_grace_s: a number is at most"),
        ("[agents]\nstop_grace_s = nan", "agents.stop_grace_s: a number is at most"),
        ("[gate]\nspacing_s = -inf", "gate.spacing_s: a number is at most"),
        ("[retention]\nevents_days = 1e300", "retention.events_days: a number is at most"),
        ("[reminders]\npending = 1" + "0" * 30, "reminders.pending: a number is at most"),
        ("[reminders]\npending = " + "9" * 5000, "hive.toml: "),
        ("[agents]\nbody_cap = true", "agents.body_cap: no setting is true or false"),
        ("[agents]\nbody_cap = 1\nbody_cap = 2", "Cannot overwrite"),
        ("[agents]\nbody_cap = 1\n[agents]\n", "hive.toml: "),
        ('"two\\nlines" = 1', "unknown setting two\\nlines"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"hive\.toml") as caught:
        parse(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert "secret" not in str(caught.value)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "hive.toml").write_bytes(b"\xef\xbb\xbf[claude]\nmodel = 'opus'\n")
    assert load(tmp_path / "hive.toml").claude.model == "opus"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("pipe", "is no plain file"),
        ("folder", "is no plain file"),
        ("loop", "is no plain file"),
        ("dangling", "No such file"),
        ("large", "more than 262144 bytes"),
        ("latin-1", "is not UTF-8: invalid continuation byte at byte 2"),
    ],
)
def test_what_lies_in_the_place_of_the_file_is_said(tmp_path: Path, kind: str, says: str) -> None:
    path = tmp_path / "hive.toml"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path.name)
        case "dangling":
            path.symlink_to("nothing")
        case "large":
            path.write_bytes(b"#" * 300_000)
        case "latin-1":
            path.write_bytes(b"# \xe4\n")
    with pytest.raises(ConfigError, match=rf"hive\.toml: .*{says}"):
        load(path)


def test_a_named_file_may_be_a_pipe() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"[claude]\nmodel = 'opus'\n")
    os.close(writer)
    assert load(Path(f"/dev/fd/{reader}"), required=True).claude.model == "opus"
    os.close(reader)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    assert load(tmp_path / "no.toml") == Config()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "no.toml", required=True)


def test_the_file_wins_over_the_environment_and_only_one_is_passed_on() -> None:
    config = parse("[credentials.default]\noauth_token = 'from-file'")
    api = resolve(
        config.credentials, {"ANTHROPIC_API_KEY": "from-environment", "ANTHROPIC_BASE_URL": "u"}
    )
    assert api.environment("default") == (
        ("CLAUDE_CODE_OAUTH_TOKEN", "from-file"),
        ("ANTHROPIC_BASE_URL", "u"),
    )


def test_what_login_kept_wins_over_the_file() -> None:
    config = parse("[credentials.default]\noauth_token = 'from-file'")
    api = resolve(config.credentials, {}, (NamedCredential("default", api_key="kept"),))
    assert api.environment("default") == (("ANTHROPIC_API_KEY", "kept"),)
    assert ("default", "from-file") not in api.secrets


def test_each_agent_gets_its_own_credential_and_never_another() -> None:
    config = parse("[credentials.work]\napi_key = 'key-of-work'\n")
    api = resolve(config.credentials, {"CLAUDE_CODE_OAUTH_TOKEN": "token"})
    assert api.environment("work") == (("ANTHROPIC_API_KEY", "key-of-work"),)
    assert api.environment("default") == (("CLAUDE_CODE_OAUTH_TOKEN", "token"),)
    assert api.environment("gone") == api.environment("own") == ()
    assert {value for _, value in api.secrets} == {"key-of-work", "token"}


def test_an_unknown_credential_is_refused_with_the_known_ones() -> None:
    api = resolve(parse("[credentials.work]\napi_key = 'a'").credentials, {})
    assert [api.check(name) for name in ("work", "default", "own")] == ["work", "default", "own"]
    with pytest.raises(BadCredential, match="there are: default, own, work"):
        api.check("wrok")


def test_two_in_the_environment_are_refused_unless_they_decide_nothing() -> None:
    both = {"ANTHROPIC_API_KEY": "a", "CLAUDE_CODE_OAUTH_TOKEN": "b"}
    with pytest.raises(BadCredential, match="unset"):
        resolve((), both)
    kept = (NamedCredential("default", api_key="kept"),)
    assert resolve((), both, kept).environment("default") == (("ANTHROPIC_API_KEY", "kept"),)


def test_none_is_falsy_and_the_demo_is_not() -> None:
    assert not resolve((), {"ANTHROPIC_BASE_URL": "u"})
    assert demo_access(8000)


def test_the_demo_takes_no_real_credential() -> None:
    assert dict(demo_access(8000).environment("work"))["ANTHROPIC_API_KEY"] == "demo"


def test_nothing_secret_is_in_a_repr() -> None:
    config = parse("[credentials.default]\napi_key = 'sk-secret'")
    kept = (NamedCredential("work", oauth_token="sk-secret"),)
    api = resolve(config.credentials, {}, kept)
    assert "sk-secret" not in f"{config!r} {kept!r} {api!r} {api.source}"


@pytest.mark.parametrize("model", ["", "a b", "--print", "a,b", "a\0b", "x\x1b[2J", "\ud800"])
def test_what_cannot_be_the_name_of_a_model_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a model"):
        check_model(model)
    assert check_model("claude-opus-4[1m]") == "claude-opus-4[1m]"
    with pytest.raises(ConfigError, match=r"claude\.model: '-x' cannot"):
        parse("[claude]\nmodel = '-x'")


@pytest.mark.parametrize("value", ["two words", "line\n", "\udcff", "ä", "x" * 5000])
def test_an_environment_that_no_api_takes_is_refused_without_being_shown(value: str) -> None:
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"):
        with pytest.raises(BadCredential, match=name) as refused:
            resolve((), {name: value})
        assert value not in str(refused.value)
    with pytest.raises(BadCredential, match="ANTHROPIC_BASE_URL"):
        resolve((), {"ANTHROPIC_BASE_URL": "http://x/\udcff"})
