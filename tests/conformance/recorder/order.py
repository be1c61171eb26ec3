"""From what one run observed to a golden trace: what is left open is written as open.

The run's events are in one order. Where OTP promises none, the format has `par` and `orph`.
"""

from __future__ import annotations

from typing import Any

from tests.conformance.check import canon_mailbox

Step = dict[str, Any]
Event = list[Any]


def supervisor_steps(scenario: dict[str, Any], trace: list[Step]) -> list[Step]:
    """Return the golden steps of a run of a supervisor scenario."""
    lives = Lives(scenario)
    actions = [{"op": "start"}, *scenario["actions"]]
    return [lives.ordered(action, step) for action, step in zip(actions, trace, strict=True)]


class Lives:
    """Who lives, and which supervisors end their children all at once."""

    def __init__(self, scenario: dict[str, Any]) -> None:
        self._trees: dict[str, dict[str, Any]] = {}
        self._dynamic: dict[str, dict[str, Any]] = {}
        self._alive: dict[str, int] = {}
        self._learn("top", scenario["sup"])
        for action in scenario["actions"]:
            for one in (action, action.get("call", {})):
                if one.get("op") == "start_child" and "sup" in one.get("child", {}):
                    self._learn(f"{one['sup']}/{one['child'].get('id')}", one["child"]["sup"])

    def _learn(self, path: str, tree: dict[str, Any]) -> None:
        self._trees[path] = tree
        for child in tree.get("children", []):
            if isinstance(child, dict) and "sup" in child:
                if child.get("template"):
                    self._dynamic[path] = child["sup"]
                else:
                    self._learn(f"{path}/{child.get('id')}", child["sup"])

    def _tree(self, path: str) -> dict[str, Any] | None:
        if path not in self._trees:
            above, _, _ = path.rpartition("/")
            if above in self._dynamic:
                self._learn(path, self._dynamic[above])
        return self._trees.get(path)

    def ordered(self, action: dict[str, Any], step: Step) -> Step:
        """Return a step with what is open written so."""
        before = dict(self._alive)
        events = step["ev"]
        for event in events:
            if event[0] == "start" and is_ok(event[3]):
                self._alive[event[1]] = event[2]
            elif event[0] == "exit" and self._alive.get(event[1]) == event[2]:
                del self._alive[event[1]]
        plain, orphans = self._orphans(events, before)
        exited = action.get("exit", action)
        trigger = exited.get("path") if exited["op"] == "exit" else None
        result = {**step, "ev": self._parallel(plain, trigger, before)}
        if orphans:
            result["orph"] = [self._parallel(group, None, before) for group in orphans]
        return result

    def _orphans(
        self, events: list[Event], before: dict[str, int]
    ) -> tuple[list[Event], list[list[Event]]]:
        """Take out what the descendants of killed supervisors did after that."""
        alive = dict(before)
        roots: dict[tuple[str, int], list[Event]] = {}
        owner: dict[tuple[str, int], tuple[str, int]] = {}
        plain = []
        for event in events:
            word, path, n, what = event
            if (path, n) in owner and word != "start":
                roots[owner[path, n]].append(event)
            else:
                plain.append(event)
            if word == "start" and is_ok(what):
                alive[path] = n
            elif word == "exit":
                if alive.get(path) == n:
                    del alive[path]
                if self._tree(path) is not None and what == "killed":
                    for below, m in list(alive.items()):
                        if below.startswith(path + "/") and (below, m) not in owner:
                            child = "/".join(below.split("/")[: path.count("/") + 2])
                            root = (child, alive.get(child, m))
                            owner[below, m] = root
                            roots.setdefault(root, [])
        return plain, [group for group in roots.values() if group]

    def _parallel(
        self, events: list[Event], trigger: str | None, before: dict[str, int]
    ) -> list[Any]:
        """Put together what the children of one that ends all at once did as it ended."""
        for event in events:
            word, path, _, _ = event
            tree = self._tree(path)
            if word != "exit" or tree is None or tree.get("strategy") != "simple_one_for_one":
                continue
            end = events.index(event)
            inside = [
                at
                for at, one in enumerate(events[:end])
                if one[0] != "start"
                and one[1].startswith(path + "/")
                and not self._is_of_trigger(one, path, trigger, before)
                and self._ends_with(events[:end], one)
            ]
            groups: dict[str, list[Event]] = {}
            for at in inside:
                child = "/".join(events[at][1].split("/")[: path.count("/") + 2])
                groups.setdefault(child, []).append(events[at])
            if len(groups) < 2:
                continue
            first, chosen = inside[0], set(inside)
            assert inside == list(range(first, inside[-1] + 1)), (events, inside)
            par = {"par": [self._parallel(group, None, before) for group in groups.values()]}
            rest = [one for at, one in enumerate(events) if at not in chosen]
            earlier = self._parallel(rest[:first], trigger, before)
            later = self._parallel(rest[first:], trigger, before)
            return [*earlier, par, *later]
        return list(events)

    def _is_of_trigger(
        self, event: Event, path: str, trigger: str | None, before: dict[str, int]
    ) -> bool:
        """Return whether the event is of the child whose end the action asked for."""
        if trigger is None or not trigger.startswith(path + "/"):
            return False
        child = "/".join(trigger.split("/")[: path.count("/") + 2])
        return event[1] == trigger or event[1].startswith(child + "/") or event[1] == child

    @staticmethod
    def _ends_with(events: list[Event], event: Event) -> bool:
        """Return whether nothing starts after this event."""
        return all(one[0] != "start" for one in events[events.index(event) :])


def is_ok(outcome: Any) -> bool:
    """Return whether a process lives after this outcome."""
    if isinstance(outcome, dict):
        return "slow" in outcome and is_ok(outcome["then"])
    return bool(outcome == "ok")


def proc_steps(scenario: dict[str, Any], trace: list[Step]) -> list[Step]:
    """Return the golden steps of a run of a process scenario."""
    boxes: dict[str, list[Any]] = {}
    golden = []
    for order, step in zip(scenario["steps"], trace, strict=True):
        actor, exits = order["by"], step.get("exits", {})
        boxes = {
            name: canon_mailbox(boxes.get(name, []), now, actor, exits)
            for name, now in step.get("mbox", {}).items()
        }
        notes = {
            name: canon_mailbox([], now, actor, exits) for name, now in step.get("gs", {}).items()
        }
        parts = {**step, "mbox": boxes, "gs": notes}
        golden.append(
            {key: value for key, value in parts.items() if value or key in ("r", "alive")}
        )
    return golden
