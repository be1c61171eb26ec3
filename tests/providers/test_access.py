"""`beam.providers.clients.Access`: the order of configuration, by presence, not by truth."""

from __future__ import annotations

import pytest

from beam.errors import InvalidInput
from beam.providers.clients import Access

NAME = "KEY_OF_A_TEST"


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "secrets"
    file.write_text(f"{NAME}=of-the-file\n")
    file.chmod(0o600)
    return file


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv(NAME, "of-the-environment")


def test_the_callers_key_is_before_the_files_that_before_the_environments(file, monkeypatch):
    access = Access(NAME, file, default_key="default")
    assert access.key({"api_key": "of-the-caller"}) == "of-the-caller"
    assert access.key({}) == access.key({"api_key": None}) == "of-the-file"
    access = Access(NAME, default_key="default")
    assert access.key({}) == "of-the-environment"
    monkeypatch.delenv(NAME)
    assert access.key({}) == "default"


def test_a_file_that_does_not_name_the_key_leaves_it_to_the_environment(tmp_path):
    file = tmp_path / "secrets"
    file.write_text("ANOTHER=1\n")
    file.chmod(0o600)
    assert Access(NAME, file).key({}) == "of-the-environment"


@pytest.mark.parametrize("given", ["", 0, False])
def test_an_empty_key_that_is_given_is_refused_and_no_other_taken(given, file):
    with pytest.raises(InvalidInput) as caught:
        Access(NAME, file, default_key="default").key({"api_key": given})
    assert caught.value.field == "api_key"


def test_a_variable_without_a_value_is_none(monkeypatch):
    monkeypatch.setenv(NAME, "")
    assert Access(NAME, default_key="default").key({}) == "default"
    with pytest.raises(InvalidInput):
        Access(NAME).key({})


def test_the_callers_url_is_before_the_providers():
    access = Access(NAME, base_url="http://one")
    assert access.url({"base_url": "http://two"}) == "http://two"
    assert access.url({}) == access.url({"base_url": None}) == "http://one"
    assert Access(NAME).url({}) is None


@pytest.mark.parametrize("given", ["", 0, b"http://two"])
def test_a_url_that_is_none_is_refused_and_no_other_taken(given):
    access = Access(NAME, base_url="http://one")
    for refuses in (access.url, access.check):
        with pytest.raises(InvalidInput) as caught:
            refuses({"base_url": given})
        assert caught.value.field == "base_url"
