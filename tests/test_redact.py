from hypothesis import given
from hypothesis import strategies as st

from hive.redact import HIDDEN, redactor

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


@given(st.lists(SECRETS, min_size=1, max_size=4), st.text(max_size=30))
def test_no_value_of_a_credential_is_left(secrets: list[str], around: str) -> None:
    redact = redactor([(f"A{n}_TOKEN", secret) for n, secret in enumerate(secrets)])
    text = around.join(["", *secrets, ""])
    assert not any(secret in redact(text).replace(HIDDEN, "") for secret in secrets)


def test_other_variables_stay_and_api_keys_never() -> None:
    redact = redactor([("ANTHROPIC_BASE_URL", "http://127.0.0.1:99"), ("X_KEY", "short")])
    assert redact("http://127.0.0.1:99 short") == "http://127.0.0.1:99 short"
    assert redact("key sk-ant-api03-abcDEF_9 end") == f"key {HIDDEN} end"
