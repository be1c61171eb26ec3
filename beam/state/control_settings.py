"""The part of `control` with what is set for a session: configuration, policies, by `dispatch`.

What is set is in the log before it is acknowledged, and there again when the program starts again.
Secrets are in it sealed (`beam.state.vault`); one whose key is lost is `not_set`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from beam.errors import NotFound
from beam.model.events import FLEET
from beam.otp import noreply
from beam.policy import Profile
from beam.state.audit import audit_event
from beam.state.control_event import ControlEvent
from beam.state.control_events import event_of_told
from beam.state.control_part import ControlPart, json_data
from beam.state.dispatch import parse_dispatch
from beam.state.past_settings import about
from beam.state.plain import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.model.events import Event
    from beam.state.dispatch import Setting
    from beam.state.session_config import SessionConfig
    from beam.state.tasks import SessionTasks
    from beam.state.vault import Vault

__all__ = ["SettingCalls"]


class SettingCalls(ControlPart):
    """Configuration, and policy profiles."""

    _tasks: SessionTasks
    _vault: Vault

    def set_config(self, session_id: str, key: str, value: Any) -> Any:
        """Set one value of the session's configuration, in place of what it had.

        Args:
            session_id: the session.
            key: the name.
            value: JSON data.

        Raises:
            StateRefused: `key_unreadable`: it has a secret, and the vault cannot seal it.
        """
        value = json_data(key, value)
        return self._set(session_id, lambda config: config.with_value(key, value), key)

    def set_permission_mode(self, session_id: str, mode: str) -> Any:
        """Set how far the session's agent may go without asking."""
        return self._set(
            session_id, lambda config: config.with_permission_mode(mode), "permission_mode"
        )

    def set_max_thinking_tokens(self, session_id: str, tokens: int) -> Any:
        """Set the session's budget for thinking, above 0."""
        return self._set(
            session_id,
            lambda config: config.with_max_thinking_tokens(tokens),
            "max_thinking_tokens",
        )

    def clear_config(self, session_id: str) -> Any:
        """Forget the session's configuration."""

        def change() -> tuple[None, tuple[Event, ...]]:
            known = self._rows.config(session_id).values
            return None, (self._journal.event("config_cleared", session_id),) if known else ()

        return self._change("config", session_id, change)

    def dispatch(self, session_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Do what a client asks for by name, and have it told and audited.

        | method | param | answer |
        |---|---|---|
        | `setModel` | `model` | `{"model": ...}` |
        | `setPermissionMode` | `permissionMode` | `{"permission_mode": ...}` |
        | `setMaxThinkingTokens` | `maxThinkingTokens` | `{"max_thinking_tokens": ...}` |
        | `stopTask` | `taskId` | nothing |

        A param may be written with underscores as well.

        Raises:
            StateRefused: `unknown_method`, `missing_param` or `invalid_param`.
            NotFound: `stopTask`: there is no such task.
        """
        setting = parse_dispatch(text("session_id", session_id), method, params)
        if setting.key == "task_id":
            told = partial(self._told_of, session_id, method, setting)
            self._tasks.stop(session_id, setting.value, self.caller, told)
            return noreply
        return self._set(
            session_id,
            setting.put_into,
            setting.key,
            partial(self._told_of, session_id, method, setting),
            {setting.key: setting.value},
        )

    def _told_of(self, session_id: str, method: str, setting: Setting) -> tuple[Event, ...]:
        at = self._journal.now()
        told = ControlEvent(setting.subtype, session_id, at, {setting.key: setting.value})
        return (
            event_of_told(self._journal, told),
            audit_event(
                self._journal,
                "control",
                setting.subtype,
                {"session_id": session_id},
                {"decision": "allow", "method": method, "params": {setting.key: setting.value}},
            ),
        )

    def _set(
        self,
        session_id: str,
        change_of: Callable[[SessionConfig], SessionConfig],
        key: str,
        more: Callable[[], tuple[Event, ...]] = tuple,
        answer: Any = None,
    ) -> Any:
        change_of(self._rows.config(text("session_id", session_id)))  # Refuses before its turn.

        def change() -> tuple[SessionConfig, tuple[Event, ...]]:
            config = change_of(self._rows.config(session_id))
            kept = self._vault.sealed({key: config.values[key]}, about=about(session_id))
            event = self._journal.event("config_set", session_id, config=kept)
            return config, (event, *more())

        return self._change("config", session_id, change, answer)

    # Policy profiles

    def put_policy_profile(self, profile: Mapping[str, Any]) -> Any:
        """Keep a policy profile, in place of any of its name.

        Args:
            profile: `profile_id`, and any of `default`, `rules`, `metadata`; see `beam.policy`.

        Raises:
            InvalidInput: `unsupported_profile_key`, `unsupported_rule_key`, `invalid_default`,
                `invalid_match`, `invalid_rule_action`, `invalid_reason` or `invalid_profile`.
        """
        checked = Profile.of(profile, at=self._journal.now())
        json_data("profile", checked.as_data())

        def change() -> tuple[Profile, tuple[Event, ...]]:
            before = self._rows.policy(checked.profile_id)
            kept = Profile.of(profile, at=self._journal.now(), before=before)
            return kept, (self._journal.event("policy_put", FLEET, profile=kept.as_data()),)

        return self._change("policy", checked.profile_id, change)

    def delete_policy_profile(self, profile_id: str) -> Any:
        """Forget a profile; sessions that name it are denied everything from then on.

        Raises:
            NotFound: there is none of this name.
        """
        text("profile_id", profile_id)

        def change() -> tuple[None, tuple[Event, ...]]:
            if self._rows.policy(profile_id) is None:
                raise NotFound(profile_id=profile_id)
            return None, (self._journal.event("policy_deleted", FLEET, profile_id=profile_id),)

        return self._change("policy", profile_id, change)
