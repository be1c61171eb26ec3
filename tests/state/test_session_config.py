"""`beam.state.session_config`: configuration by name."""

import pytest

from beam.errors import InvalidInput, NotFound
from beam.state import SessionConfig


def test_a_value_is_set_overwritten_and_read():
    config = SessionConfig().with_value("colour", "red").with_value("colour", "blue")
    assert config.get("colour") == "blue"
    assert config.all() == {"colour": "blue"}


def test_a_value_may_be_none():
    assert SessionConfig().with_value("colour", None).get("colour") is None


def test_what_was_never_set_is_not_found():
    with pytest.raises(NotFound) as refused:
        SessionConfig().get("colour")
    assert (refused.value.reason, refused.value.key) == ("not_set", "colour")


@pytest.mark.parametrize("key", ["", None, 7])
def test_a_name_is_a_text(key):
    with pytest.raises(InvalidInput, match="key"):
        SessionConfig().with_value(key, 1)


def test_fact_28_the_configuration_of_one_session_is_not_that_of_another():
    one = SessionConfig().with_value("colour", "red")
    other = one.with_value("colour", "blue")
    assert (one.get("colour"), other.get("colour")) == ("red", "blue")


def test_what_is_kept_changes_neither_with_what_was_given_nor_with_what_was_read():
    given = ["a"]
    config = SessionConfig().with_value("list", given)
    given.append("b")
    config.get("list").append("c")
    config.all()["list"].append("d")
    assert config.get("list") == ["a"]


class TestPermissionMode:
    @pytest.mark.parametrize("mode", ["plan", "acceptEdits", "whatever the backend calls it"])
    def test_it_is_any_text(self, mode):
        assert SessionConfig().with_permission_mode(mode).permission_mode() == mode

    def test_it_is_stored_under_its_name(self):
        assert SessionConfig().with_permission_mode("plan").get("permission_mode") == "plan"

    @pytest.mark.parametrize("mode", ["", None, 7])
    def test_it_is_nothing_else(self, mode):
        with pytest.raises(InvalidInput, match="permission_mode"):
            SessionConfig().with_permission_mode(mode)

    def test_it_is_not_set_at_first(self):
        with pytest.raises(NotFound, match="not_set"):
            SessionConfig().permission_mode()


class TestMaxThinkingTokens:
    def test_it_is_a_positive_number(self):
        assert SessionConfig().with_max_thinking_tokens(8000).max_thinking_tokens() == 8000

    @pytest.mark.parametrize("tokens", [0, -1, "8000", 1.5, True, None])
    def test_it_is_nothing_else(self, tokens):
        with pytest.raises(InvalidInput, match="max_thinking_tokens"):
            SessionConfig().with_max_thinking_tokens(tokens)

    @pytest.mark.parametrize("stored", [0, -1, "8000", True, None])
    def test_something_else_stored_under_its_name_reads_as_not_set(self, stored):
        with pytest.raises(NotFound, match="not_set"):
            SessionConfig().with_value("max_thinking_tokens", stored).max_thinking_tokens()
