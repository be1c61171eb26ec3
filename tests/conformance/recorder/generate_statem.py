"""State machines at random, in the form of `statem.jsonl`.

The `recorded` ones are like those that came with the traces. The `wild` ones are made to meet what
is rare: states that are entered again and again, time-outs of 0 that are set anew, actions that are
wrong in each way, states that go on while they are entered, endings in the middle of things.
"""

from __future__ import annotations

import random
from typing import Any

__all__ = ["state_machine"]

Json = Any

STATES = ["a", "b", "c", "d"]
EVENTS = ["e1", "e2", "e3"]
INTERNAL = ["i1", "i2", "i3"]
SECONDS = [50, 90, 130, 170, 230, 310]
SLEEPS = [70, 110, 200, 270, 350]
REASONS = ["normal", "boom", "shutdown", {"t": ["shutdown", "x"]}]
TAGS = ["postpone", "timers", "internal", "enter", "mixed", "stop"]
# How often an action is of each kind: postpone, next_event, a time-out, hibernate, wrong.
WEIGHTS = {
    "postpone": (5, 7, 1, 0.5, 0),
    "timers": (0.5, 1, 8, 0.5, 0),
    "internal": (0.5, 6, 2, 0.5, 0),
    "enter": (1, 2, 6, 0.5, 0),
    "mixed": (2, 3, 4, 0.7, 0),
    "stop": (1, 3, 3, 0.5, 0.6),
    "wild": (2, 3, 6, 0.3, 0.15),
}
WRONG = ["bogus"]
WILD_WRONG = [
    "bogus",
    {"t": ["bogus", 1]},
    {"t": []},
    {"b": "postpone"},
    {"f": "1.5"},
    -1,
    [],
    {"t": ["reply", "nobody", 1]},
    {"t": ["next_event", "bogus", 1]},
    {"t": ["state_timeout", -1, 1]},
    {"t": ["timeout", "soon", 1]},
    {"t": ["next_event", "internal"]},
    {"t": ["reply", 1]},
    {"t": ["hibernate", 1]},
    {"m": []},
    {"t": ["bogus", "cancel"]},
    {"t": ["bogus", "update", 1]},
]
BAD = ["nonsense", {"t": ["next_state", "b"]}, {"t": ["ok", 1]}]
WILD_BAD = [
    *BAD,
    {"t": []},
    1,
    [],
    {"t": ["stop", "a", 0, 1]},
    {"t": ["keep_state"]},
    "ok",
    {"b": "stop"},
    {"t": ["reply", "x", 1]},
    {"t": ["next_state", "a", 0, [], 1]},
    {"t": ["repeat_state"]},
]


class Maker:
    """Makes one machine.

    Args:
        seed: of its randomness.
        wild: whether it is made to meet what is rare.
    """

    def __init__(self, seed: int, *, wild: bool) -> None:
        self.random = random.Random(f"statem {wild} {seed}")
        self.wild = wild
        self.tag = "wild" if wild else self.pick(TAGS)
        self.states = STATES[: self.pick([2, 3, 3, 3, 4])]
        self.enter = self.chance(0.9 if self.tag == "enter" else 0.6 if wild else 0.4)
        # Wild machines use time-outs of 0, chains and endings more than is sensible.
        self.zeros = 0.35 if wild and self.chance(0.5) else 0.08
        self.calls = 0

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, items: Any) -> Json:
        return self.random.choice(items)

    def some(self, most: int) -> range:
        return range(self.random.randint(0, most))

    # Rules

    def rules(self) -> list[Json]:
        rules = [rule for state in self.states for rule in self.rules_of(state)]
        rules += self.rules_of("*")[: self.random.randint(0, 4)]
        if self.chance(0.15):
            self.random.shuffle(rules)
        return rules

    def rules_of(self, state: str) -> list[Json]:
        kinds: list[tuple[Json, Json]] = [
            (self.pick(["cast", "cast", "call"]), event) for event in EVENTS if self.chance(0.85)
        ]
        if self.chance(0.25):
            kinds.append(("info", self.pick([*EVENTS, "*"])))
        if self.chance(0.3):
            kinds.append((self.pick(["cast", "call"]), "*"))
        kinds.append(("internal", self.pick([*INTERNAL, "*"])))
        timers = 0.8 if self.tag in ("timers", "enter", "mixed", "wild") else 0.4
        for timer in ("state_timeout", "timeout", {"timeout": "t1"}, {"timeout": "t2"}):
            likely = timers if timer == "state_timeout" else timers * 0.6
            kinds += [(timer, "*")] * self.chance(likely)
        if self.enter and self.chance(0.7):
            kinds.append(("enter", self.pick(["*", "*", "*", *self.states])))
        return [
            {"s": state, "t": kind, "c": content, "r": self.returned(kind)}
            for kind, content in kinds
        ]

    def returned(self, kind: Json) -> Json:
        entering = kind == "enter"
        chosen = self.random.random()
        ends = 0.12 if self.tag == "stop" else 0.05 if self.wild else 0.02
        if chosen < ends:
            return self.ending(kind)
        if entering:
            name = self.pick(["keep_state"] * 4 + ["keep_state_and_data"] * 4 + ["next_state"])
            if self.wild and self.chance(0.2):
                name = self.pick(["repeat_state", "repeat_state_and_data", "next_state"])
        else:
            name = self.pick(
                ["next_state"] * 11
                + ["keep_state"] * 5
                + ["keep_state_and_data"] * 3
                + ["repeat_state"] * 2
                + ["repeat_state_and_data"]
            )
        result: dict[str, Json] = {"k": name}
        if name == "next_state":
            result["s"] = self.pick(self.states)
        actions = self.actions(kind)
        if actions:
            result["a"] = actions
        return result

    def ending(self, kind: Json) -> Json:
        chosen = self.random.random()
        if chosen < 0.35:
            return {"k": "stop", "reason": self.pick([*REASONS, "enough"])}
        if chosen < 0.65:
            replies = [self.reply(kind) for _ in range(self.pick([1, 1, 2]))]
            if self.wild and self.chance(0.15):
                replies.insert(self.pick([0, 1]), {"raw": self.pick(WILD_WRONG)})
            return {"k": "stop_and_reply", "reason": self.pick(REASONS), "a": replies}
        if chosen < 0.85:
            return {
                "k": "raise",
                "reason": self.pick(["oops", {"t": ["oops", 1]}, "normal"])
                if self.wild
                else "oops",
            }
        return {"k": "bad", "v": self.pick(WILD_BAD if self.wild else BAD)}

    # Actions

    def actions(self, kind: Json) -> list[Json]:
        count = self.pick([0, 1, 1, 1, 2, 2, 3] if not self.wild else [0, 1, 1, 2, 2, 3, 4])
        actions = [self.action(kind) for _ in range(count)]
        if kind == "call" and self.chance(0.6):
            actions.insert(self.random.randint(0, len(actions)), self.reply(kind))
        if kind == "enter" and self.chance(0.25):
            late = {"reply": self.pick(["c1", "c2", "c3"]), "v": "fromenter"}
            actions.insert(self.random.randint(0, len(actions)), late)
        return [action for action in actions if action is not None]

    def action(self, kind: Json) -> Json:
        entering = kind == "enter"
        chosen = self.random.choices(range(5), WEIGHTS[self.tag])[0]
        if entering and chosen in (0, 1) and not self.chance(0.1):
            chosen = 2
        if chosen == 0:
            return "postpone"
        if chosen == 1:
            return self.inserted()
        if chosen == 2:
            return self.timer()
        if chosen == 3:
            return self.pick(["hibernate", self.reply(kind)])
        return {"raw": self.pick(WILD_WRONG if self.wild else WRONG)}

    def inserted(self) -> Json:
        chosen = self.random.random()
        if chosen < 0.65:
            return {"next_event": ["internal", self.pick(INTERNAL)]}
        if chosen < 0.82:
            return {
                "next_event": ["cast", self.pick([*INTERNAL, *EVENTS] if self.wild else INTERNAL)]
            }
        kinds = ["info", "timeout", "state_timeout", {"timeout": "t1"}]
        return {"next_event": [self.pick(kinds), self.pick(INTERNAL)]}

    def reply(self, kind: Json) -> Json:
        whom = (
            "cur" if kind == "call" and self.chance(0.85) else self.pick(["c1", "c2", "c3", "cur"])
        )
        return {"reply": whom, "v": self.pick(["r1", "r2", {"t": ["ok", 1]}, "done", "bye"])}

    def timer(self) -> Json:
        timer = self.pick(["state"] * 4 + ["event"] * 2 + [{"g": "t1"}] * 2 + [{"g": "t2"}])
        chosen = self.random.random()
        if chosen < 0.15:
            return {"timer": timer, "cancel": True}
        if chosen < 0.3:
            return {"timer": timer, "update": self.pick(["u", "w"])}
        after = self.pick(SECONDS)
        if self.chance(self.zeros):
            after = 0
        elif self.chance(0.07):
            after = "infinity"
        return {"timer": timer, "set": after, "c": self.pick(["x", "y", "z"])}

    # Steps

    def send(self) -> Json:
        op = self.pick(["cast"] * 5 + ["call"] * 4 + ["info"])
        content = self.pick(EVENTS)
        if op == "call":
            self.calls += 1
            return {"op": "call", "id": f"c{self.calls}", "c": content}
        return {"op": op, "c": content}

    def step(self) -> Json:
        chosen = self.random.random()
        if chosen < 0.28 + (0.1 if self.tag in ("timers", "enter", "wild") else 0.0):
            return {"op": "sleep", "ms": self.pick(SLEEPS)}
        if chosen < 0.6:
            return {"op": "batch", "ops": [self.send() for _ in range(self.pick([2, 2, 3, 4]))]}
        if chosen < 0.63:
            return {"op": "stop", "reason": self.pick(["normal", "boom", "shutdown"])}
        return self.send()

    def steps(self) -> list[Json]:
        steps = [self.step() for _ in range(self.random.randint(3, 12))]
        if self.chance(0.8):
            steps += [{"op": "sleep", "ms": self.pick([200, 350])}]
            steps += [{"op": "stop", "reason": self.pick(["normal", "normal", "normal", "boom"])}]
        return steps


def state_machine(seed: int, *, wild: bool = False) -> dict[str, Json]:
    """Return a scenario.

    Args:
        seed: which one.
        wild: whether it is made to meet what is rare.
    """
    maker = Maker(seed, wild=wild)
    init: dict[str, Json] = {"state": maker.pick(maker.states)}
    if maker.chance(0.25):
        init["actions"] = [
            maker.pick([maker.timer(), maker.inserted()]) for _ in range(maker.pick([1, 2]))
        ]
    return {
        "id": f"{maker.tag}-{seed}",
        "seed": [seed, 0],
        "tags": [maker.tag],
        "mode": maker.pick(["state_functions", "state_functions", "handle_event_function"]),
        "enter": maker.enter,
        "init": init,
        "rules": maker.rules(),
        "steps": maker.steps(),
    }
