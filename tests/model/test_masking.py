"""`beam.model.masking`: G17, secrets in text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.model.masking import redact_text, secret_values

HIDDEN = [
    ("api_key=sk-1", "api_key=redacted"),
    ("ACME_API_KEY=sk-1 next=2", "ACME_API_KEY=redacted next=2"),
    ("token: abc, n: 1", "token: redacted, n: 1"),
    ('{"apiKey": "a \\"b\\" c", "n": 1}', '{"apiKey": "redacted", "n": 1}'),
    ("{'secret': 'x'}", "{'secret': 'redacted'}"),
    (r"{\"token\": \"a b\", \"n\": 1}", r"{\"token\": \"redacted\", \"n\": 1}"),
    ('"password": "torn in the mid', '"password": "redacted"'),
    ("--api-key sk-1 --n 2", "--api-key redacted --n 2"),
    ("--token=sk-1", "--token=redacted"),
    ("Authorization: Bearer abc.def", "Authorization: redacted"),
    ("Authorization: Basic dXNlcg==\nHost: a", "Authorization: redacted\nHost: a"),
    ("sent Bearer abcdefgh.ijk", "sent Bearer redacted"),
    ("https://ada:pass@host/x", "https://ada:redacted@host/x"),
    ("https://ada:p@ss@host/x", "https://ada:redacted@host/x"),
    ("GET /?a=1&access_token=t&b=2", "GET /?a=1&access_token=redacted&b=2"),
    ("note: token=abc", "note: token=redacted"),
    ("secret=>abc", "secret=>redacted"),
]

SHOWN = [
    "", "token", "token_count=5", "max_tokens: 100", "the token is lost", "a=b",
    "https://host:8080/path@x", "bearer of news", "secret_name = ada", "token=", "=token",
    "tokens: [1, 2]",
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), HIDDEN, ids=[text for text, _ in HIDDEN])
def test_a_secret_that_is_named_is_hidden(text: str, shown: str) -> None:
    assert redact_text(text) == shown


@pytest.mark.parametrize("text", SHOWN)
def test_text_that_names_no_secret_stays(text: str) -> None:
    assert redact_text(text) == text


def test_a_known_secret_is_hidden_wherever_it_stands() -> None:
    assert redact_text("say hunter2hunter2!", ["hunter2"]) == "say redactedredacted!"


def test_of_two_known_secrets_the_longer_one_is_hidden_first() -> None:
    assert redact_text("abcdef-123456", ["abcdef", "abcdef-123456"]) == "redacted"


def test_short_values_are_not_hunted_for() -> None:
    assert redact_text("on and on", ["on"]) == "on and on"


def test_the_secrets_of_a_configuration_are_the_texts_under_sensitive_keys() -> None:
    settings = {
        "ACME_API_KEY": "sk-1",
        "base_url": "http://a",
        "nested": [{"password": "p"}, {"token": {"now": "t1", "n": 5, "old": ["t2"]}}],
    }
    assert secret_values(settings) == {"sk-1", "p", "t1", "t2"}


@given(st.text("0123456789", min_size=6), st.text(), st.text())
def test_no_known_secret_is_left(secret: str, before: str, after: str) -> None:
    assert secret not in redact_text(before + secret + after, [secret])


@given(st.text(max_size=200))
def test_any_text_can_be_redacted(text: str) -> None:
    assert isinstance(redact_text(text), str)


@pytest.mark.parametrize("unit", ["a", "a=", 'a="', "--", "a.b-", "token=\\", "://", "\\", "a "])
def test_no_text_takes_more_than_linear_time(unit: str) -> None:
    # Quadratic work on a megabyte would meet the limit on a test's time.
    assert redact_text(unit * 1_000_000)
