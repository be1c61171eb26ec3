from __future__ import annotations

import pytest

from beam.backends.credentials import (
    check_secret_file,
    environment,
    is_credential,
    read_secrets,
    secrets_in,
    values_of,
)
from beam.errors import InvalidInput


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "GITHUB_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "TOKEN",
        "my_secret",
        "OPENAI_API_KEY_PROD",
        "GH_TOKEN_WORK",
        "PGPASSWORD",
        "MYSQL_PWD",
        "ANTHROPIC_CUSTOM_HEADERS",
        "DOCKER_AUTH_CONFIG",
        "NPM_CONFIG__AUTH",
    ],
)
def test_a_credential_is_known_by_a_word_of_its_name(name: str) -> None:
    assert is_credential(name)


def test_a_password_in_a_url_is_a_credential_but_for_the_way_to_the_network() -> None:
    url = "postgres://ada:hunter2@db/main"
    ours = {"DATABASE_URL": url, "HTTPS_PROXY": "http://ada:hunter2@proxy", "DOCS": "http://ada@d"}
    assert sorted(environment(ours, own=())) == ["DOCS", "HTTPS_PROXY"]


def test_a_key_in_a_configuration_that_a_variable_holds_is_a_credential() -> None:
    config = '{"provider": {"local": {"options": {"apiKey": "k-123456", "baseURL": "http://x"}}}}'
    ours = {"OPENCODE_CONFIG_CONTENT": config, "THEME": '{"color": "red"}', "HALF": "{", "DIR": "/"}
    assert sorted(environment(ours, own=())) == ["DIR", "HALF", "THEME"]
    assert environment(ours, own=("OPENCODE_*",)) == ours
    assert values_of(ours) == {config, "k-123456"}


@pytest.mark.parametrize(
    "name", ["PATH", "PWD", "OLDPWD", "SSH_AUTH_SOCK", "KEYBOARD", "TOKENIZERS_PARALLELISM"]
)
def test_a_name_that_only_contains_such_a_word_is_none(name: str) -> None:
    assert not is_credential(name)


def test_a_program_gets_everything_but_the_credentials_of_others() -> None:
    ours = {"PATH": "/bin", "MINE_KEY": "1", "THEIRS_KEY": "2", "LANG": "C"}
    assert environment(ours, own=("MINE_*",)) == {"PATH": "/bin", "MINE_KEY": "1", "LANG": "C"}


def test_a_credential_that_the_user_names_reaches_the_program() -> None:
    ours = {"GITHUB_TOKEN": "1", "OTHER_TOKEN": "2"}
    assert environment(ours, own=(), inherit=("GITHUB_TOKEN",)) == {"GITHUB_TOKEN": "1"}


def test_a_secret_file_may_hold_one_value() -> None:
    assert secrets_in("# mine\n\nc2VjcmV0==\n", bare="KEY") == {"KEY": "c2VjcmV0=="}


def test_a_secret_file_may_set_several_variables() -> None:
    text = "A_KEY=one\nexport B_TOKEN='two = 2'\n"
    assert secrets_in(text, bare="KEY") == {"A_KEY": "one", "B_TOKEN": "two = 2"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "A_KEY=one\nhunter2\n"])
def test_a_secret_file_that_is_neither_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        secrets_in(text, bare="KEY")
    assert "hunter2" not in str(refused.value)


def test_a_secret_file_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(InvalidInput, match="secret_file"):
        read_secrets(tmp_path / "none", bare="KEY")


def test_no_secret_file_sets_nothing() -> None:
    assert read_secrets(None, bare="KEY") == {}


def test_a_secret_file_that_others_may_read_is_refused(tmp_path) -> None:
    path = tmp_path / "key"
    path.write_text("hunter2")
    path.chmod(0o644)
    with pytest.raises(InvalidInput, match="mode 600"):
        check_secret_file(path, bare="KEY")
    path.chmod(0o600)
    check_secret_file(path, bare="KEY")
