"""The configuration of one session: any value by name, and two names with a meaning.

    >>> config = SessionConfig().with_permission_mode("plan").with_value("retries", 3)
    >>> config.get("retries"), config.permission_mode()
    (3, 'plan')
    >>> config.get("colour")
    Traceback (most recent call last):
    beam.errors.NotFound: not_set: key='colour'

Nothing is checked against a session that exists: configuration may come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beam.errors import InvalidInput, NotFound
from beam.state.plain import plain_copy, text

__all__ = ["MAX_THINKING_TOKENS", "PERMISSION_MODE", "SessionConfig"]

PERMISSION_MODE = "permission_mode"
MAX_THINKING_TOKENS = "max_thinking_tokens"


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The configuration of one session; each change returns the next value.

    Attributes:
        values: by name.
    """

    values: Mapping[str, Any] = field(default_factory=dict)

    def with_value(self, key: str, value: Any) -> SessionConfig:
        """Set any name, in place of what it had.

        Raises:
            InvalidInput: the name is not a non-empty string.
        """
        return SessionConfig({**self.values, text("key", key): plain_copy(key, value)})

    def without(self, key: str) -> SessionConfig:
        """Take a name out, if it is there."""
        return SessionConfig({name: value for name, value in self.values.items() if name != key})

    def get(self, key: str) -> Any:
        """Return the value of a name.

        Raises:
            InvalidInput: the name is no text.
            NotFound: `not_set` with `key`.
        """
        if not isinstance(key, str):
            raise InvalidInput("key", key, "a text")
        if key not in self.values:
            raise NotFound("not_set", key=key)
        return plain_copy(key, self.values[key])

    def all(self) -> dict[str, Any]:
        """Return every name with its value, secrets included."""
        values: dict[str, Any] = plain_copy("config", self.values)
        return values

    def with_permission_mode(self, mode: str) -> SessionConfig:
        """Set the permission mode, whatever words the backend has for it.

        Raises:
            InvalidInput: the mode is not a non-empty string.
        """
        return self.with_value(PERMISSION_MODE, text(PERMISSION_MODE, mode))

    def permission_mode(self) -> Any:
        """Return the permission mode.

        Raises:
            NotFound: `not_set`.
        """
        return self.get(PERMISSION_MODE)

    def with_max_thinking_tokens(self, tokens: int) -> SessionConfig:
        """Set the budget for thinking.

        Raises:
            InvalidInput: it is not a positive integer.
        """
        if not _is_budget(tokens):
            raise InvalidInput(MAX_THINKING_TOKENS, tokens, "a positive number of tokens")
        return self.with_value(MAX_THINKING_TOKENS, tokens)

    def max_thinking_tokens(self) -> int:
        """Return the budget for thinking.

        Raises:
            NotFound: `not_set`, also where `with_value` put something there that is no budget.
        """
        tokens = self.values.get(MAX_THINKING_TOKENS)
        if isinstance(tokens, int) and _is_budget(tokens):
            return tokens
        raise NotFound("not_set", key=MAX_THINKING_TOKENS)


def _is_budget(tokens: object) -> bool:
    return isinstance(tokens, int) and not isinstance(tokens, bool) and tokens > 0
