"""`beam.model.redaction`: G17, the exact rule for data."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.model.redaction import (
    CREDENTIAL_KEYS,
    REDACTED_KEYS,
    is_sensitive,
    redact,
    redact_pending,
    redact_runtime_state,
)
from tests.model.strategies import json_objects, json_values
from tests.names import shown

CREDENTIALS = [
    "apikey", "token", "accesstoken", "refreshtoken", "clientsecret", "secret", "password",
    "privatekey", "githubtoken",
]  # fmt: skip
SHOWN_NEVER = [
    "authorization", "authorizationcode", "bearertoken", "codeverifier", "credentialkey",
    "idtoken", "oauthtoken", "personaltoken", "sessiontoken",
]  # fmt: skip
ALLOWED = [
    "code", "tokens", "token_count", "secret_name", "secrets", "max_tokens", "api", "key", "",
    "base_url", "passwords", "author", "api_key_source", "request_id", "tok\u0435n",
]  # fmt: skip
SPELLINGS = [
    "api_key",
    "apiKey",
    "API-Key",
    "api key",
    "Api.Key",
    "  a_p_i_k_e_y!",
    "\u212a apikey",
]


def test_the_sensitive_keys_are_those_of_the_rule() -> None:
    assert sorted(CREDENTIALS) == sorted(CREDENTIAL_KEYS)
    assert sorted(CREDENTIALS + SHOWN_NEVER) == sorted(REDACTED_KEYS)


@pytest.mark.parametrize("key", CREDENTIALS + SHOWN_NEVER)
@pytest.mark.parametrize(
    "value", ["text", 5, None, True, ["a"], {"b": 1}, {"token": {"c": 2}}], ids=shown
)
def test_whatever_stands_under_a_sensitive_key_is_replaced(key: str, value: object) -> None:
    assert redact({key: value, "other": 1}) == {key: "redacted", "other": 1}


@pytest.mark.parametrize("key", SPELLINGS[:-1])
def test_a_key_is_sensitive_in_any_spelling(key: str) -> None:
    assert redact({key: "sk-1"}) == {key: "redacted"}


@pytest.mark.parametrize("key", [*ALLOWED, SPELLINGS[-1]])
def test_only_the_whole_canonical_key_matches(key: str) -> None:
    assert redact({key: "shown"}) == {key: "shown"}
    assert not is_sensitive(key)


@pytest.mark.parametrize("above", ["oauth_callback", "oauthCallback", "OAuth-Callback"])
def test_code_is_sensitive_below_an_oauth_callback_at_any_depth(above: str) -> None:
    data = {above: {"code": 1, "request_id": "r", "deep": [{"code": 2}, [{"code": 3}]]}}
    assert redact(data) == {
        above: {
            "code": "redacted",
            "request_id": "r",
            "deep": [{"code": "redacted"}, [{"code": "redacted"}]],
        }
    }


def test_code_is_no_secret_beside_an_oauth_callback() -> None:
    data = {"code": 1, "callback": {"code": 2}, "oauth_callback": "seen", "after": {"code": 3}}
    assert redact(data) == data


def test_code_is_judged_by_its_ancestors() -> None:
    assert is_sensitive("code", ["request", "oauth_callback"])
    assert not is_sensitive("code", ["request"])


def test_secrets_are_found_in_lists_and_tuples() -> None:
    data = {"providers": [{"token": "a"}, ({"secret": "b"}, 1)]}
    assert redact(data) == {"providers": [{"token": "redacted"}, ({"secret": "redacted"}, 1)]}


@pytest.mark.parametrize("key", [b"api_key", b"API-KEY"])
def test_a_key_in_bytes_is_read_as_text(key: bytes) -> None:
    assert redact({key: 1}) == {key: "redacted"}


@pytest.mark.parametrize("data", ["token", 5, None, b"token", ("token", "x"), ["token"]], ids=shown)
def test_data_without_keys_stays(data: object) -> None:
    assert redact(data) == data


@given(st.dictionaries(st.sampled_from(CREDENTIALS + ALLOWED), json_values, max_size=5))
def test_redacting_leaves_its_argument_alone_and_is_done_once(data: dict[str, Any]) -> None:
    before = copy.deepcopy(data)
    once = redact(data)
    assert data == before
    assert redact(once) == once
    assert once.keys() == data.keys()


@given(json_objects)
def test_data_without_sensitive_keys_stays(data: dict[str, Any]) -> None:
    assert redact({"outer": data}) == {"outer": data}


def test_what_is_nested_too_deep_is_hidden() -> None:
    deep: dict[str, Any] = {"shallow": 1}
    deep["ring"] = [deep]
    shown = redact(deep)
    for _ in range(64):
        assert shown["shallow"] == 1
        [shown] = shown["ring"]
    assert shown == {"shallow": 1, "ring": "redacted"}


def test_of_a_runtime_state_only_the_provider_is_redacted() -> None:
    state = {"provider": {"api_key": "a", "base_url": "b"}, "provider_id": "p", "token": "t"}
    assert redact_runtime_state(state) == {
        "provider": {"api_key": "redacted", "base_url": "b"},
        "provider_id": "p",
        "token": "t",
    }


def test_of_a_pending_entry_only_request_and_response_are_redacted() -> None:
    entry = {"request": {"token": 1}, "response": {"password": 2, "ok": 3}, "secret": 4}
    assert redact_pending(entry) == {
        "request": {"token": "redacted"},
        "response": {"password": "redacted", "ok": 3},
        "secret": 4,
    }


def test_a_very_long_key_is_judged_as_any_other() -> None:
    assert is_sensitive("_" * 100 + "token")
    assert not is_sensitive("x" * 100)
