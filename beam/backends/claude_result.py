"""How a turn of Claude Code's program ended: its `result` lines read, and added up.

    >>> end = TurnEnd()
    >>> end.take({"type": "result", "is_error": False, "result": "Done.", "num_turns": 1})
    >>> end.exit, end.message(timestamp=5).content
    (None, 'Done.')
    >>> end.take({"subtype": "success", "is_error": True, "api_error_status": 429})
    >>> end.exit.kind
    'throttled'

A turn has failed if `is_error` or `subtype` says so: the program reports an error of the model as a
success in form, and an end at a limit of its own (`error_max_turns`) as no error. It has failed as
well if `stop_reason` says that the model declined, or was cut. Why it failed is in
`terminal_reason` and `subtype` where the program itself ended it, in `api_error_status` where the
model's server did, and else only in words. One query may have several results, for what was said
meanwhile may have got a turn of its own: tokens, turns and costs are added, the last answer is the
answer.

Tokens are in buckets that share nothing: `input_tokens` without the cache, `output_tokens` without
`reasoning_tokens`. They and the cost are those since the result before, of all models; the
program's own `total_cost_usd` is that of the whole conversation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from beam.model.exit_reasons import ExitKind, ExitReason, of_http, of_text
from beam.model.messages import ResultMessage
from beam.model.wire import normalize

__all__ = ["TurnEnd"]

_BY_REASON: Mapping[str, ExitKind] = {
    "aborted_streaming": "interrupted",
    "aborted_tools": "interrupted",
    "max_turns": "max_turns",
    "budget": "budget",
    "budget_exhausted": "budget",
    "prompt_too_long": "context_full",
    "rapid_refill_breaker": "context_full",
}

_BY_SUBTYPE: Mapping[str, ExitKind] = {
    "error_max_turns": "max_turns",
    "error_max_budget_usd": "budget",
}

_BY_STOP: Mapping[str, ExitKind] = {
    "refusal": "refused",
    "max_tokens": "truncated",
    "model_context_window_exceeded": "context_full",
}

_BUCKETS: Mapping[str, str] = {
    "input_tokens": "inputTokens",
    "cache_read_tokens": "cacheReadInputTokens",
    "cache_write_tokens": "cacheCreationInputTokens",
    "output_tokens": "outputTokens",
    "reasoning_tokens": "thinkingTokens",
}

_OF_ONE_MODEL: Mapping[str, str] = {
    "input_tokens": "input_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
    "output_tokens": "output_tokens",
}


class TurnEnd:
    """What the results of one query amount to.

    Attributes:
        exit: why the query failed; None if it did not.
        words: the answer, or what the program says went wrong.
    """

    def __init__(self, *, resets_at: float | None = None) -> None:
        """Make one.

        Args:
            resets_at: when the account's allowance is renewed, Unix seconds, if the program has
                said that it is used up.
        """
        self.exit: ExitReason | None = None
        self.words = ""
        self.resets_at = resets_at
        self._last: Mapping[str, Any] = {}
        self._usage: Counter[str] = Counter()
        self._models: dict[str, Any] = {}
        self._sums: Counter[str] = Counter()
        self._cost: float | None = None

    def take(self, wire: Mapping[str, Any], *, total_before: float = 0.0) -> None:
        """Take one `result` line.

        Args:
            wire: the line, decoded.
            total_before: the `total_cost_usd` of the result before it, of this program.
        """
        self._last = wire
        self.words = _words(wire)
        self.exit = self._why(wire) if _has_failed(wire) else None
        models = wire.get("model_usage_since_last_result")
        if isinstance(models, Mapping):
            self._add_models(models)
        else:
            self._usage.update(_of_one_model(wire.get("usage")))
            self._add_cost(_number(wire.get("total_cost_usd")) - total_before)
        for name in ("num_turns", "duration_ms"):
            self._sums[name] += int(_number(wire.get(name)))

    def amounts(self) -> dict[str, Any]:
        """Return what the query has used up: tokens, dollars, turns, time."""
        return {
            "usage": dict(self._usage),
            "modelUsage": self._models or None,
            "total_cost_usd": self._cost,
            **self._sums,
        }

    def message(self, *, timestamp: int) -> ResultMessage:
        """Return the message that the query ends with.

        Args:
            timestamp: now, Unix milliseconds.
        """
        amounts = self.amounts()
        own = ("session_id", *amounts)
        said = {name: value for name, value in self._last.items() if name not in own}
        message = normalize({**said, **amounts, "type": "result"}, timestamp=timestamp)
        assert isinstance(message, ResultMessage)
        return message

    def _why(self, wire: Mapping[str, Any]) -> ExitReason:
        named = _BY_REASON.get(str(wire.get("terminal_reason"))) or _BY_SUBTYPE.get(
            str(wire.get("subtype"))
        )
        if named is None:
            named = _BY_STOP.get(str(wire.get("stop_reason")))
        if named is not None:
            return ExitReason(named, detail=self.words)
        status = wire.get("api_error_status")
        if isinstance(status, int) and not isinstance(status, bool):
            if status == 429 and self.resets_at is not None:
                return ExitReason(
                    "quota", resets_at=self.resets_at, status=status, detail=self.words
                )
            return self._known_reset(of_http(status, {}, self.words))
        told = of_text(self.words) or ExitReason("agent_error", detail=self.words)
        return self._known_reset(told)

    def _known_reset(self, reason: ExitReason) -> ExitReason:
        """Return a quota with the time that the program has told apart, if it tells none itself."""
        if reason.kind == "quota" and reason.resets_at is None:
            return replace(reason, resets_at=self.resets_at)
        return reason

    def _add_models(self, models: Mapping[str, Any]) -> None:
        for name, used in models.items():
            if not isinstance(used, Mapping):
                continue
            known = self._models.setdefault(name, {})
            for key, value in used.items():
                counts = key.endswith(("Tokens", "Requests", "costUSD")) and not key.startswith(
                    "max"
                )
                known[key] = known.get(key, 0) + _number(value) if counts else value
            tokens = {bucket: int(_number(used.get(key))) for bucket, key in _BUCKETS.items()}
            self._usage.update(_disjoint(tokens))
            self._add_cost(_number(used.get("costUSD")))

    def _add_cost(self, cost: float) -> None:
        self._cost = (self._cost or 0.0) + max(cost, 0.0)


def _has_failed(wire: Mapping[str, Any]) -> bool:
    failed = wire.get("is_error") is True or str(wire.get("subtype")).startswith("error")
    return failed or wire.get("stop_reason") in _BY_STOP


def _words(wire: Mapping[str, Any]) -> str:
    """Return the answer; of a failure the most that it says in words."""
    result, errors = wire.get("result"), wire.get("errors")
    if isinstance(result, str) and result.strip():
        return result
    if isinstance(errors, list) and errors:
        return "; ".join(str(error) for error in errors)
    return str(wire.get("subtype") or "") if _has_failed(wire) else ""


def _of_one_model(usage: Any) -> dict[str, int]:
    if not isinstance(usage, Mapping):
        return {}
    tokens = {bucket: int(_number(usage.get(key))) for bucket, key in _OF_ONE_MODEL.items()}
    details = usage.get("output_tokens_details")
    thought = _number(details.get("thinking_tokens")) if isinstance(details, Mapping) else 0
    return _disjoint({**tokens, "reasoning_tokens": int(thought)})


def _disjoint(tokens: dict[str, int]) -> dict[str, int]:
    """Return the buckets with what the model thought taken out of what it said."""
    return {**tokens, "output_tokens": max(tokens["output_tokens"] - tokens["reasoning_tokens"], 0)}


def _number(value: object) -> float:
    counts = isinstance(value, int | float) and not isinstance(value, bool)
    return value if counts else 0  # type: ignore[return-value]
