"""`beam.state.vault`: secrets are sealed, and a key that is lost is no crash."""

import os
import stat

import pytest

from beam.errors import InvalidInput, StateRefused
from beam.state.vault import Vault

SECRET = {"base_url": "http://a", "oauth_callback": {"code": "c-1", "state": "s"}, "apiKey": "sk-1"}
REST = {"base_url": "http://a", "oauth_callback": {"state": "s"}}


def test_what_has_no_secret_is_not_sealed_and_makes_no_key(tmp_path):
    vault = Vault(file=tmp_path / "a.key")
    kept = vault.sealed({"model_id": "large"}, about="s")
    assert kept == {"shown": {"model_id": "large"}}
    assert vault.opened(kept, about="s") == {"model_id": "large"}
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_opened_by_the_next_program_with_the_same_file(tmp_path):
    kept = Vault(file=tmp_path / "a.key").sealed(SECRET, about="s")
    assert "sk-1" not in str(kept)
    assert "c-1" not in str(kept)
    assert Vault(file=tmp_path / "a.key").opened(kept, about="s") == SECRET


def test_the_key_file_is_for_its_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        Vault(file=tmp_path / "a.key").sealed(SECRET, about="s")
    finally:
        os.umask(before)
    assert [one.name for one in tmp_path.iterdir()] == ["a.key"]
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


def test_with_a_key_that_is_lost_the_credentials_are_gone_and_the_rest_is_there(tmp_path):
    kept = Vault(file=tmp_path / "a.key").sealed(SECRET, about="s")
    (tmp_path / "a.key").unlink()
    assert Vault(file=tmp_path / "a.key").opened(kept, about="s") == REST


@pytest.mark.parametrize("damage", [b"", b"c2hvcnQ=\n", b"\xff\xfe not a key"])
def test_a_key_file_that_is_none_is_refused_and_left_as_it_is(tmp_path, damage):
    file = tmp_path / "a.key"
    kept = Vault(file=file).sealed(SECRET, about="s")
    file.write_bytes(damage)
    vault = Vault(file=file)
    assert vault.opened(kept, about="s") == REST
    with pytest.raises(StateRefused) as refused:
        vault.sealed(SECRET, about="s")
    assert (refused.value.reason, refused.value.file) == ("key_unreadable", str(file))
    assert file.read_bytes() == damage


@pytest.mark.parametrize("sealed", ["", "x", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 7])
def test_what_is_damaged_in_the_log_is_lost_and_no_crash(sealed):
    vault = Vault(key="k" * 32)
    kept = {**vault.sealed(SECRET, about="s"), "sealed": sealed}
    assert vault.opened(kept, about="s") == REST


def test_what_was_sealed_for_one_session_is_not_opened_for_another():
    vault = Vault(key="k" * 32)
    assert vault.opened(vault.sealed(SECRET, about="s"), about="other") == REST


def test_a_given_key_needs_no_file_and_the_same_one_opens_again():
    kept = Vault(key=b"k" * 32).sealed(SECRET, about="s")
    assert Vault(key="k" * 32).opened(kept, about="s") == SECRET


@pytest.mark.parametrize("key", ["short", b"", 7])
def test_a_key_that_is_too_short_is_refused_and_not_quoted(key):
    with pytest.raises(InvalidInput) as refused:
        Vault(key=key)
    assert refused.value.field == "key"
    assert "short" not in str(refused.value.value)
