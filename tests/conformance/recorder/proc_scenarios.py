"""Random scenarios in the form of `proc.jsonl`."""

from __future__ import annotations

from random import Random
from typing import Any

__all__ = ["scenario"]

Json = dict[str, Any]

FAMILIES = {
    "links": 2,
    "monitors": 2,
    "exits": 2,
    "names": 2,
    "gs": 4,
    "mixed": 2,
    "batch": 3,
    "wild": 5,
}
REASONS = ["normal", "normal", "boom", "boom", "shutdown", "kill", "kill"]
OTHERS = [{"t": ["shutdown", "x"]}, {"t": ["a", 1]}, "oops"]
WILD = [
    "killed",
    "noproc",
    "timeout",
    "undefined",
    "true",
    7,
    {"f": "2.5"},
    {"b": "text"},
    ["a", {"t": []}],
    {"t": ["shutdown"]},
    {"t": ["EXIT", "a", "b"]},
    {"m": [["k", 1]]},
]
# What an operation weighs in each family; in the others as in `mixed`.
MIXED = {
    "link": 20,
    "unlink": 4,
    "monitor": 8,
    "demonitor": 3,
    "trap_exit": 12,
    "exit2": 14,
    "exit1": 3,
    "raise": 2,
    "throw": 1,
    "return": 2,
    "spawn": 8,
    "send": 7,
    "recv_all": 3,
    "register": 2,
    "unregister": 1,
    "whereis": 2,
    "is_alive": 2,
}
SERVERS = {"gs_start": 12, "call": 20, "cast": 8, "gs_stop": 4}
WEIGHTS = {
    "links": {**MIXED, "link": 40, "unlink": 8, "monitor": 2},
    "monitors": {**MIXED, "link": 3, "monitor": 30, "demonitor": 12},
    "exits": {**MIXED, "exit2": 30, "trap_exit": 18},
    "names": {**MIXED, "register": 18, "unregister": 5, "whereis": 10, "send": 14, "link": 4},
    "gs": {**MIXED, **SERVERS, "link": 5, "spawn": 1},
    "wild": {**MIXED, **SERVERS, "register": 8, "unregister": 3, "demonitor": 6},
}


def scenario(seed: int) -> Json:
    """Return the scenario of a seed."""
    chance = Random(f"proc-{seed}")
    family = chance.choices([*FAMILIES], [*FAMILIES.values()])[0]
    return _Maker(chance, family).scenario(seed)


class _Maker:
    def __init__(self, chance: Random, family: str) -> None:
        self.chance = chance
        self.family = family
        self.wild = family == "wild"
        self.procs = ["p0", "p1"] if family == "gs" else ["p0", "p1", "p2"]
        self.plain = list(self.procs)
        self.servers: list[str] = []
        self.monitors: list[tuple[str, str]] = []
        # Names that may stand for a plain process, to which nobody should make calls.
        self.weights = WEIGHTS.get(family, MIXED)

    def scenario(self, seed: int) -> Json:
        steps = []
        if self.family == "gs":
            steps += [self.do("gs_start", self.pick(self.procs)) for _ in range(2)]
        steps += [self.step() for _ in range(self.chance.randint(6, 12) - len(steps))]
        return {
            "id": f"proc-{self.family}-{seed}",
            "seed": [seed, 0],
            "tags": [self.family],
            "procs": self.procs,
            "steps": steps,
        }

    def pick(self, options: Any) -> Any:
        return self.chance.choice(list(options))

    def often(self, probability: float) -> bool:
        return self.chance.random() < probability

    def step(self) -> Json:
        by = self.pick(self.plain)
        if self.often({"batch": 0.5, "wild": 0.3}.get(self.family, 0)):
            ops = [self.operation(by) for _ in range(self.chance.randint(1, 4))]
            for op in ops:
                op.pop("by")
            return {"by": by, "op": "batch", "ops": ops}
        return self.operation(by)

    def operation(self, by: str) -> Json:
        return self.do(self.chance.choices([*self.weights], [*self.weights.values()])[0], by)

    def do(self, op: str, by: str) -> Json:
        fields = getattr(self, f"of_{op}", lambda _by: {})(by)
        return {"by": by, "op": fields.pop("op", op), **fields}

    def anybody(self) -> str:
        return self.pick(self.plain + self.servers)

    def named(self) -> Any:
        return {"name": self.pick(["n1", "n1", "n2", "n2", "n9"])}

    def reason(self, *more: Any) -> Any:
        wild = WILD if self.wild else []
        return self.pick([*REASONS, *OTHERS, *more, *wild])

    def of_link(self, _by: str) -> Json:
        return {"to": self.anybody()}

    of_unlink = of_link

    def of_monitor(self, by: str) -> Json:
        name = f"m{len(self.monitors) + 1}"
        self.monitors.append((by, name))
        to = self.named() if self.often(0.3 if self.family == "names" else 0.1) else self.anybody()
        return {"to": to, "as": name}

    def of_demonitor(self, by: str) -> Json:
        mine = [name for owner, name in self.monitors if owner == by]
        if not mine:
            return {"op": "monitor", **self.of_monitor(by)}
        options = self.pick(
            [None, ["flush"], ["flush", "info"], ["info"] if self.wild else ["flush"]]
        )
        return {"mon": self.pick(mine), **({"opts": options} if options else {})}

    def of_trap_exit(self, _by: str) -> Json:
        return {"v": self.often(0.8)}

    def of_exit2(self, _by: str) -> Json:
        return {"to": self.anybody(), "reason": self.reason()}

    def of_exit1(self, _by: str) -> Json:
        return {"reason": self.reason()}

    def of_raise(self, _by: str) -> Json:
        return {"reason": self.pick(["oops", "oops", *(WILD if self.wild else [])])}

    of_throw = of_raise

    def of_spawn(self, by: str) -> Json:
        name = f"p{len(self.plain)}"
        self.plain.append(name)
        fields: Json = {
            "how": self.pick(["spawn", "spawn_link", "spawn_link", "spawn_monitor"]),
            "as": name,
        }
        if self.often(0.4):
            fields["trap"] = True
        if fields["how"] == "spawn_monitor":
            fields["mon"] = f"m{len(self.monitors) + 1}"
            self.monitors.append((by, fields["mon"]))
        return fields

    def of_send(self, _by: str) -> Json:
        to = self.named() if self.often(0.5 if self.family == "names" else 0.15) else self.anybody()
        message = {"t": ["m", self.chance.randint(1, 3)]}
        if self.wild and self.often(0.3):
            message = self.pick([*(one for one in WILD if "EXIT" not in str(one)), "hi"])
        return {"to": to, "msg": message}

    def of_register(self, _by: str) -> Json:
        who = self.anybody() if self.wild or self.family == "gs" else self.pick(self.plain)
        return {"name": self.pick(["n1", "n2"]), "who": who}

    def of_unregister(self, _by: str) -> Json:
        return self.named()

    of_whereis = of_unregister

    def of_is_alive(self, _by: str) -> Json:
        return {"who": self.anybody()}

    def of_gs_start(self, _by: str) -> Json:
        name = f"g{len(self.servers)}"
        self.servers.append(name)
        fields: Json = {
            "how": self.pick(["start", "start_link", "start_link", "start_link"]),
            "as": name,
        }
        if self.often(0.5):
            fields["trap"] = True
        if self.often(0.15 if self.wild else 0.05):
            fields["init"] = self.pick(
                [
                    "ignore",
                    {"t": ["stop", self.reason()]},
                    {"t": ["stop", "bad"]},
                    {"t": ["raise", "oops"]},
                ]
            )
        return fields

    def server(self) -> Any:
        return {"name": "n9"} if not self.servers or self.often(0.06) else self.pick(self.servers)

    def of_call(self, _by: str) -> Json:
        requests: list[Any] = [{"t": ["echo", "x"]}] * 5
        requests += [
            "noreply",
            {"t": ["stop", self.reason()]},
            {"t": ["stop", "boom"]},
            {"t": ["stop_noreply", self.reason()]},
            {"t": ["raise", "oops"]},
            {"t": ["exit", self.reason("gone")]},
        ]
        request = self.pick(requests)
        timeout = {"timeout": 40} if request == "noreply" else {}
        return {"to": self.server(), "req": request, **timeout}

    def of_cast(self, _by: str) -> Json:
        messages = [
            "hi",
            "hi",
            {"t": ["stop", "normal"]},
            {"t": ["stop", self.reason()]},
            {"t": ["raise", "oops"]},
        ]
        return {"to": self.server(), "msg": self.pick(messages)}

    def of_gs_stop(self, _by: str) -> Json:
        return {
            "to": self.server(),
            "reason": self.pick(["normal", "shutdown", "boom", self.reason()]),
        }
