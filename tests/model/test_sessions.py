"""`beam.model.sessions`: where a session stands."""

import pytest
from hypothesis import given

from beam.errors import InvalidInput
from beam.model.records import from_record, to_record
from beam.model.sessions import SESSION_STATES, SessionInfo, SessionState
from tests.model.strategies import session_infos


@pytest.mark.parametrize("state", SESSION_STATES)
def test_the_health_of_a_session_is_its_state(state: SessionState) -> None:
    assert SessionInfo(session_id="s", backend="b", created_at=1, state=state).health == state


def test_a_session_has_five_states() -> None:
    assert SESSION_STATES == ("connecting", "initializing", "ready", "active_query", "error")


@given(session_infos)
def test_a_session_comes_back_from_its_record_as_it_was(info: SessionInfo) -> None:
    assert from_record(SessionInfo, to_record(info)) == info


def test_a_record_that_is_no_session_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidInput, match=r"SessionInfo\.created_at"):
        from_record(SessionInfo, {"session_id": "s", "backend": "b"})
