"""The agent loop and its model providers: what was asked wrongly, and how a request failed."""

from __future__ import annotations

from typing import Any

from beam.errors.root import BeamError, InvalidInput, shown

__all__ = ["InvalidOption", "LoopFailed", "ProviderFailed"]


class InvalidOption(InvalidInput):
    """An option of the agent loop, or of a provider, is not what it must be; nothing has begun.

    Attributes:
        reason: the contract's term for it: `("invalid_opts", name)`,
            `("invalid_turn_guard", value)`, `"outcome_unsupported"`, ...
    """

    def __init__(self, field: str, value: object, expected: str, reason: Any = None) -> None:
        super().__init__(field, value, expected)
        self.reason = ("invalid_opts", field) if reason is None else reason


class ProviderFailed(BeamError):
    """A provider could not do what it was asked, and says why.

    Attributes:
        reason: the provider's term: `("malformed_chat_response", body)`, `("status", 503)`,
            `"stream_idle_timeout"`, ...
        detail: the same in words, without secrets.
        exit: what to do about it, a `beam.model.exit_reasons.ExitReason`; None if it is not known.
    """

    def __init__(self, reason: Any, detail: str = "", exit: Any = None) -> None:
        super().__init__(f"{shown(reason)}: {detail}" if detail else shown(reason))
        self.reason = reason
        self.detail = detail
        self.exit = exit


class LoopFailed(BeamError):
    """A request to the agent loop ended without an answer.

    Attributes:
        reason: `"timeout"`, `"interrupted"`, `("max_turns_exceeded", n)`, `("halted", reason)`,
            `("unresolved_requires_action", stop_reason)`, `("provider_error", exception)`,
            `"stream_ended"`.
        result: what there was until then, a `beam.providers.values.SessionResult`; None if
            nothing had begun.
        exit: as of `ProviderFailed`.
    """

    def __init__(self, reason: Any, result: Any = None, exit: Any = None) -> None:
        super().__init__(shown(reason))
        self.reason = reason
        self.result = result
        self.exit = exit
