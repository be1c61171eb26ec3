"""Hold what was observed against what was recorded, by the rules of `check.py`.

Only what stands in the two traces counts; nothing is known here of how either came to be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tests.conformance.check import canon_mailbox, explain, sort_state

__all__ = ["Difference", "differences"]

Step = Mapping[str, Any]


class Difference(NamedTuple):
    """One thing that is not as recorded.

    Attributes:
        step: the position in the trace, from 0.
        what: which part of the step.
        expected: what was recorded.
        came: what was observed.
    """

    step: int
    what: str
    expected: Any
    came: Any

    def __str__(self) -> str:
        lines = [f"step {self.step}, {self.what}:"]
        lines += [f"  expected {_text(self.expected)}", f"  came     {_text(self.came)}"]
        return "\n".join(lines)


def differences(
    subject: str, scenario: Mapping[str, Any], observed: Sequence[Step]
) -> list[Difference]:
    """Return what is not as recorded, in the order of the steps.

    Args:
        subject: `"supervisor"`, `"statem"`, `"ets"` or `"proc"`.
        scenario: a line of a file, with its golden trace.
        observed: the trace that was observed.
    """
    golden = scenario["trace"]
    found = list(_COMPARISONS[subject](scenario, golden, observed))
    if len(golden) != len(observed):
        at = min(len(golden), len(observed))
        found.append(Difference(at, "steps", len(golden), len(observed)))
    return found


def _supervisor(
    _scenario: Mapping[str, Any], golden: Sequence[Step], observed: Sequence[Step]
) -> Iterator[Difference]:
    """Compare by `explain` and `sort_state`; a state that is not given is the last one."""
    state: Any = {}
    came_state: Any = {}
    for at, (step, came) in enumerate(zip(golden, observed, strict=False)):
        if step["r"] != came.get("r"):
            yield Difference(at, "result", step["r"], came.get("r"))
        wrong = explain(step, came.get("ev", []))
        if wrong:
            expected = {key: step[key] for key in ("ev", "orph") if key in step}
            yield Difference(at, f"events ({'; '.join(wrong)})", expected, came.get("ev"))
        state, came_state = step.get("st", state), came.get("st", came_state)
        if sort_state(state) != sort_state(came_state):
            yield Difference(at, "state", state, came_state)


def _proc(
    scenario: Mapping[str, Any], golden: Sequence[Step], observed: Sequence[Step]
) -> Iterator[Difference]:
    """Compare mailboxes by `canon_mailbox`; keys that are absent are empty."""
    boxes: dict[str, list[Any]] = {}
    for at, (step, came) in enumerate(zip(golden, observed, strict=False)):
        actor, exits = scenario["steps"][at]["by"], came.get("exits", {})
        if not _same_result(step["r"], came.get("r")):
            yield Difference(at, "result", step["r"], came.get("r"))
        boxes = {
            name: canon_mailbox(boxes.get(name, []), now, actor, exits)
            for name, now in came.get("mbox", {}).items()
        }
        notes = {
            name: canon_mailbox([], now, actor, exits) for name, now in came.get("gs", {}).items()
        }
        for key in ("exits", "links", "term"):
            if step.get(key, {}) != came.get(key, {}):
                yield Difference(at, key, step.get(key, {}), came.get(key, {}))
        for key, canonical in (("mbox", boxes), ("gs", notes)):
            if step.get(key, {}) != canonical:
                yield Difference(at, key, step.get(key, {}), canonical)
        if step.get("alive", []) != came.get("alive", []):
            yield Difference(at, "alive", step.get("alive", []), came.get("alive", []))


def _ets(
    _scenario: Mapping[str, Any], golden: Sequence[Step], observed: Sequence[Step]
) -> Iterator[Difference]:
    """Compare results; a list marked `"u"` as a multiset."""
    for at, (step, came) in enumerate(zip(golden, observed, strict=False)):
        if not _same_result(step, came):
            yield Difference(at, "result", step, came)


def _statem(
    _scenario: Mapping[str, Any], golden: Sequence[Step], observed: Sequence[Step]
) -> Iterator[Difference]:
    """Compare each part of a step; keys that are absent are empty."""
    for at, (step, came) in enumerate(zip(golden, observed, strict=False)):
        for key in sorted({*step, *came}):
            if (step.get(key) or None) != (came.get(key) or None):
                yield Difference(at, key, step.get(key), came.get(key))


_COMPARISONS = {"ets": _ets, "proc": _proc, "statem": _statem, "supervisor": _supervisor}


def _same_result(expected: Any, came: Any) -> bool:
    """Return whether two results are the same; where the recorded one has `"u"`, as multisets."""
    if isinstance(expected, dict) and isinstance(came, dict):
        if "vs" in expected and "vs" in came and len(expected["vs"]) == len(came["vs"]):
            return all(map(_same_result, expected["vs"], came["vs"]))
        plain = {key: value for key, value in came.items() if key != "u"}
        if "u" in expected:
            wanted = {key: value for key, value in expected.items() if key != "u"}
            return _sorted(wanted) == _sorted(plain)
        return expected == plain
    return bool(expected == came)


def _sorted(result: Any) -> Any:
    value = result.get("v")
    return {**result, "v": sorted(value, key=_text)} if isinstance(value, list) else result


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
