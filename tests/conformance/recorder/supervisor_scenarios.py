"""Random scenarios in the form of `supervisor.jsonl`.

Families weigh the knobs as the recorded files do; `wild` mixes all that the format allows.
"""

from __future__ import annotations

from random import Random
from typing import Any

__all__ = ["scenario"]

Json = dict[str, Any]

FAMILIES = {
    "basic": 2,
    "auto": 3,
    "intensity": 2,
    "initfail": 4,
    "mgmt": 3,
    "nested": 3,
    "simple": 4,
    "orphan": 3,
    "shut": 2,
    "invalid": 2,
    "mixed": 3,
    "deep": 2,
    "during": 1,
    "wild": 8,
}
SHUTDOWN_X = {"t": ["shutdown", "x"]}
REASONS = ["boom", "boom", "boom", "normal", "shutdown", SHUTDOWN_X]
WILD_REASONS = [
    *REASONS,
    "kill",
    "killed",
    "noproc",
    {"t": ["a", 1]},
    {"t": ["shutdown"]},
    {"t": ["shutdown", "x", "y"]},
    ["x", 1],
    7,
    {"b": "text"},
    {"f": "1.5"},
    {"t": []},
    "undefined",
    "timeout",
    {"m": [["k", "v"]]},
]
FAILURES = [
    "ignore",
    {"stop": "bad"},
    {"stop": "bad"},
    {"exit": "gone"},
    {"raise": "oops"},
    {"stop": "normal"},
    {"stop": {"t": ["shutdown", "y"]}},
]
WILD_FAILURES = [
    *FAILURES,
    {"stop": "shutdown"},
    {"stop": "kill"},
    {"exit": "normal"},
    {"exit": "shutdown"},
    {"exit": SHUTDOWN_X},
    {"raise": {"t": ["deep", ["er"]]}},
    {"slow": 20, "then": "ok"},
    {"slow": 20, "then": "ignore"},
    {"slow": 20, "then": {"stop": "bad"}},
]
RETURNS = [
    "ignore",
    "garbage",
    {"t": ["error", "why"]},
    {"t": ["error", "a", "b"]},
    {"t": ["ok", "notapid"]},
    "error",
    {"t": ["error", {"t": ["already_started", "x"]}]},
    "undefined",
    {"t": ["ok", "undefined"]},
    {"t": ["ok", "notapid", "x"]},
    7,
]
RAW = [
    "garbage",
    {"t": []},
    [],
    7,
    {"m": []},
    {"m": [["id", "r1"]]},
    {"b": "text"},
    {"t": ["r1", "r2"]},
]
BAD = {
    "restart": ["never", 3, {"t": ["permanent"]}, "undefined"],
    "shutdown": ["kill", "soon", -1, {"f": "1.5"}, "brutal", {"t": []}, "undefined", []],
    "type": ["thing", 1, "Worker", "undefined"],
    "significant": ["yes", 1, "undefined"],
    "modules": ["nolist", [1], "static", [{"t": []}], 5],
    "start": [
        "go",
        {"t": ["m", "f"]},
        {"t": ["m", "f", "notalist"]},
        {"t": ["no_such_module", "start_link", []]},
        {"t": [1, "f", []]},
        {"t": ["m", 2, []]},
        {"t": ["m", "f", [], "x"]},
        "undefined",
        [],
    ],
}
BAD_FLAGS = {
    "strategy": ["one_for_none", 1, "undefined"],
    "intensity": [-1, {"f": "1.5"}, "many"],
    "period": [-5, 0, {"f": "2.0"}, "long"],
    "auto_shutdown": ["always", 1, "true"],
}


def scenario(seed: int) -> Json:
    """Return the scenario of a seed."""
    chance = Random(f"supervisor-{seed}")
    family = chance.choices([*FAMILIES], [*FAMILIES.values()])[0]
    return _Maker(chance, family).scenario(seed)


class _Maker:
    def __init__(self, chance: Random, family: str) -> None:
        self.chance = chance
        self.family = family
        self.wild = family == "wild"
        self.fresh = 0
        # Known to the maker: supervisors and workers by path, whether they live or not.
        self.trees: dict[str, Json] = {}
        self.paths: list[str] = []
        # Workers whose `terminate` never returns: only their supervisor may end them.
        self.endless: set[str] = set()

    def scenario(self, seed: int) -> Json:
        sup = self.tree("top", self.depth())
        if self.family == "invalid" or (self.wild and self.chance.random() < 0.1):
            self.spoil(sup)
        if self.wild and self.chance.random() < 0.04:
            sup["init"] = [
                self.pick(["ignore", {"raise": "oops"}, {"exit": "gone"}, {"return": "garbage"}])
            ]
        actions = [action for _ in range(self.length()) for action in [self.action()] if action]
        if self.family == "during" and not any(one["op"] == "during" for one in actions):
            actions = [*filter(None, [self.during()]), *actions]
        return {
            "id": f"sup-{self.family}-{seed}",
            "seed": [seed, 0],
            "tags": [self.family],
            "sup": sup,
            "actions": actions,
        }

    # Trees

    def depth(self) -> int:
        if self.family in ("nested", "orphan", "mixed"):
            return 1
        if self.family == "deep":
            return 2
        return self.pick([0, 0, 1, 2]) if self.wild else self.pick([0, 0, 0, 1])

    def pick(self, options: Any) -> Any:
        return self.chance.choice(list(options))

    def often(self, probability: float) -> bool:
        return self.chance.random() < probability

    def tree(self, path: str, depth: int) -> Json:
        simple = self.family == "simple" and path == "top"
        simple = simple or self.often(
            0.12 if self.wild or self.family in ("mixed", "deep") else 0.02
        )
        tree: Json = {}
        if simple:
            tree["strategy"] = "simple_one_for_one"
        elif self.often(0.9):
            tree["strategy"] = self.pick(["one_for_one", "one_for_all", "rest_for_one"])
        if self.often(0.9):
            few = self.family == "intensity" or path != "top"
            tree["intensity"] = self.pick([0, 1, 2, 3] if few else [1, 2, 3, 5, 6, 10])
        tree["period"] = 3600
        if self.family == "auto" or self.often(0.25 if self.wild else 0.05):
            tree["auto_shutdown"] = self.pick(["any_significant", "all_significant", "never"])
        auto = tree.get("auto_shutdown", "never") != "never"
        self.trees[path] = tree
        if simple:
            tree["children"] = [self.template(path, depth, auto)]
            return tree
        most = 5 if self.often(0.1) else 4
        names = "abcde"[: self.chance.randint(0 if self.wild and self.often(0.1) else 2, most)]
        tree["children"] = [self.child(path, name, depth, auto) for name in names]
        return tree

    def template(self, path: str, depth: int, auto: bool) -> Json:
        child: Json = {"id": "tmpl", "template": True}
        self.fields(child, auto)
        if self.often(0.2 if depth or self.wild else 0.05):
            child["sup"] = self.tree(f"{path}/tmpl", 0)
            del self.trees[f"{path}/tmpl"]
            self.paths = [one for one in self.paths if not one.startswith(f"{path}/tmpl")]
            if self.often(0.8):
                child["type"] = "supervisor"
        return child

    def child(self, path: str, name: str, depth: int, auto: bool) -> Json:
        if depth and self.often(0.5):
            child: Json = {"id": f"s{name}"}
            if self.often(0.9):
                child["type"] = "supervisor"
            self.fields(child, auto)
            below = f"{path}/s{name}"
            self.paths.append(below)
            child["sup"] = self.tree(below, depth - 1)
            if self.wild and self.often(0.1):
                outcomes = [
                    "ok",
                    "ignore",
                    {"raise": "oops"},
                    {"exit": "gone"},
                    {"return": "garbage"},
                ]
                child["sup"]["init"] = ["ok", *(self.pick(outcomes) for _ in range(2))]
            return child
        child = {"id": name}
        self.fields(child, auto)
        child["w"] = self.knobs(child)
        self.paths.append(f"{path}/{name}")
        if child["w"].get("term_ms") == "infinity":
            self.endless.add(f"{path}/{name}")
        return child

    def fields(self, child: Json, auto: bool) -> None:
        temporary = self.family == "basic" and self.often(0.3)
        if self.often(0.9):
            child["restart"] = (
                "temporary"
                if temporary
                else self.pick(["permanent", "permanent", "transient", "transient", "temporary"])
            )
        if self.often(0.7):
            few = [80, 80] if child.get("template") and self.often(0.2) else []
            child["shutdown"] = self.pick(few or [300, 300, "infinity", "brutal_kill"])
        if "type" not in child and "sup" not in child and self.often(0.5):
            child["type"] = "worker"
        significant = child.get("restart", "permanent") != "permanent"
        if auto and significant and self.often(0.6):
            child["significant"] = True
        elif self.often(0.05):
            child["significant"] = False
        if self.wild and self.often(0.05):
            child["modules"] = self.pick(["dynamic", ["m"], []])

    def knobs(self, child: Json, *, dynamic: bool = False) -> Json:
        knobs: Json = {}
        if self.often(0.5 if self.family != "shut" else 0.9):
            knobs["trap"] = True
        elif self.often(0.05):
            knobs["trap"] = False
        shutdown = child.get("shutdown", 5000)
        if knobs.get("trap") and self.often(0.3):
            knobs["term_ms"] = 20
            if self.family in ("shut", "wild") and shutdown == 300 and self.often(0.25):
                child["shutdown"] = 80
                knobs["term_ms"] = "infinity"
            elif shutdown == "brutal_kill" and self.often(0.2):
                knobs["term_ms"] = "infinity"
        if self.often(0.25 if self.family in ("shut", "orphan", "wild") else 0.05):
            reasons = ["oops", "normal", {"t": ["shutdown", "z"]}]
            knobs["term_exit"] = self.pick([*reasons, *WILD_REASONS] if self.wild else reasons)
        failing = {"initfail": 0.5, "wild": 0.25, "simple": 0.25, "mixed": 0.2, "intensity": 0.15}
        if self.often(failing.get(self.family, 0.05)):
            knobs["init"] = self.outcomes(dynamic=dynamic)
        if self.often(0.08):
            knobs["info"] = "extra"
        return knobs

    def outcomes(self, *, dynamic: bool) -> list[Any]:
        first = ["ok"] if self.often(0.9 if not dynamic else 0.7) else []
        some = WILD_FAILURES if self.wild else FAILURES
        return first + [self.pick([*some, "ok", "ok"]) for _ in range(self.chance.randint(1, 4))]

    def spoil(self, sup: Json) -> None:
        """Make something of it invalid."""
        children = sup["children"]
        kind = self.pick(["flag", "field", "field", "field", "raw", "twice", "empty", "nothing"])
        if kind == "flag":
            flag = self.pick(BAD_FLAGS)
            sup[flag] = self.pick(BAD_FLAGS[flag])
        elif kind == "empty" and sup.get("strategy") == "simple_one_for_one":
            sup["children"] = []
        elif kind == "twice" and children:
            children.append(dict(self.pick(children)))
        elif kind == "raw":
            children.insert(self.chance.randint(0, len(children)), {"raw": self.pick(RAW)})
        elif children and kind == "field":
            self.spoil_child(self.pick(children))

    def spoil_child(self, child: Json) -> None:
        for _ in range(self.pick([1, 1, 2])):
            field = self.pick([*BAD, "id", "no start", "significant and never"])
            if field == "id":
                child.pop("id", None)
            elif field == "no start":
                child.pop("w", None)
                child.pop("sup", None)
            elif field == "significant and never":
                child["significant"] = True
            else:
                child[field] = self.pick(BAD[field])

    # Actions

    def length(self) -> int:
        return {"intensity": 4, "invalid": 4, "orphan": 5}.get(
            self.family, 8
        ) + self.chance.randint(-1, 3)

    def action(self) -> Json | None:
        weights = {
            "exit": 10,
            "exit tree": 1.5,
            "terminate_child": 2,
            "restart_child": 1.5,
            "delete_child": 1,
            "start_child": 2,
            "questions": 0.7,
            "parent_exit": 0.25,
            "during": 0.0,
        }
        if self.family in ("mgmt", "invalid"):
            weights |= {
                "terminate_child": 5,
                "restart_child": 4,
                "delete_child": 3,
                "start_child": 5,
                "exit": 4,
            }
        elif self.family == "orphan":
            weights |= {"exit tree": 8, "exit": 4}
        elif self.family in ("nested", "deep", "mixed"):
            weights |= {"exit tree": 3}
        elif self.family == "during":
            weights |= {"during": 3}
        elif self.wild:
            weights |= {"during": 0.5, "exit tree": 2.5, "parent_exit": 0.35}
        if self.dynamic_trees():
            weights["start_child"] = 6
        kind = self.chance.choices([*weights], [*weights.values()])[0]
        return getattr(self, "act_" + kind.replace(" ", "_"))()

    def dynamic_trees(self) -> list[str]:
        return [
            path
            for path, tree in self.trees.items()
            if tree.get("strategy") == "simple_one_for_one"
        ]

    def reason(self) -> Any:
        return self.pick(WILD_REASONS if self.wild else REASONS)

    def exit_of(self, path: str) -> Json:
        how = self.pick(["stop", "stop", "raise", "kill", "signal"])
        if path in self.endless:
            how = self.pick(["kill", "signal"])
        elif path in self.trees or path == "top":
            hows = ["kill", "kill", "stop", "signal"]
            if self.family != "orphan":
                hows = ["stop", "stop", "kill", "signal"]
            how = self.pick(hows)
        action = {"op": "exit", "path": path, "how": how}
        if how == "kill":
            return action
        reason = "boom" if how == "raise" and not self.wild else self.reason()
        if how == "raise" and reason == "shutdown":
            reason = "oops"  # Here an uncaught error is a crash, whatever its reason.
        return {**action, "reason": reason}

    def act_exit(self) -> Json | None:
        return self.exit_of(self.pick(self.paths)) if self.paths else None

    def act_exit_tree(self) -> Json:
        trees = [*self.trees]
        path = self.pick(trees[1:] if len(trees) > 1 and self.often(0.85) else trees)
        return self.exit_of(path)

    def act_parent_exit(self) -> Json:
        return {"op": "parent_exit", "reason": self.pick([*REASONS, "kill"])}

    def id_under(self, path: str) -> str:
        ids = [one["id"] for one in self.trees[path].get("children", []) if "id" in one]
        ids += [one.rpartition("/")[2] for one in self.paths if one.rpartition("/")[0] == path]
        return self.pick([*ids, "zz"]) if self.often(0.95) and ids else "zz"

    def some_tree(self) -> str:
        return self.pick([*self.trees])

    def act_terminate_child(self) -> Json:
        path = self.some_tree()
        if path in self.dynamic_trees() and self.often(0.8):
            started = [one for one in self.paths if one.rpartition("/")[0] == path]
            if started:
                return {"op": "terminate_child", "sup": path, "pid": self.pick(started)}
        if self.wild and self.often(0.04) and len(self.trees) > 1:
            return {"op": "terminate_child", "sup": path, "id": self.id_under(self.some_tree())}
        return {"op": "terminate_child", "sup": path, "id": self.id_under(path)}

    def act_restart_child(self) -> Json:
        path = self.some_tree()
        return {"op": "restart_child", "sup": path, "id": self.id_under(path)}

    def act_delete_child(self) -> Json:
        path = self.some_tree()
        return {"op": "delete_child", "sup": path, "id": self.id_under(path)}

    def act_questions(self) -> Json:
        path = self.some_tree()
        op = self.pick(["which_children", "count_children", "get_childspec"])
        action = {"op": op, "sup": path}
        return {**action, "id": self.id_under(path)} if op == "get_childspec" else action

    def act_start_child(self) -> Json:
        dynamic = self.dynamic_trees()
        path = self.pick(dynamic) if dynamic and self.often(0.7) else self.some_tree()
        self.fresh += 1
        if path in dynamic:
            template = self.trees[path]["children"]
            name = f"d{self.fresh}"
            self.paths.append(f"{path}/{name}")
            if template and "sup" in template[0]:
                self.learn(f"{path}/{name}", template[0]["sup"])
                return {"op": "start_child", "sup": path, "name": name, "w": {}}
            w = self.knobs(dict(template[0]) if template else {}, dynamic=True)
            kept = template[0].get("shutdown", 5000) if template else 5000
            if w.get("term_ms") == "infinity" and kept not in (80, "brutal_kill"):
                w["term_ms"] = 20
            elif w.get("trap") and kept in (80, "brutal_kill") and self.often(0.1):
                w["term_ms"] = "infinity"
            if w.get("term_ms") == "infinity":
                self.endless.add(f"{path}/{name}")
            if self.often(0.06):
                w["ret"] = self.pick(RETURNS)
            return {"op": "start_child", "sup": path, "name": name, "w": w}
        return {"op": "start_child", "sup": path, "child": self.new_child(path)}

    def new_child(self, path: str) -> Json:
        name = f"n{self.fresh}"
        auto = self.trees[path].get("auto_shutdown", "never") != "never"
        if self.often(0.2):
            name = self.id_under(path)
        child: Json = {"id": name}
        if self.often(0.15) and f"{path}/{name}" not in self.paths:
            child["type"] = "supervisor"
            self.fields(child, auto)
            child["sup"] = self.tree(f"{path}/{name}", 0)
            if self.often(0.1):
                child["sup"]["init"] = [self.pick(["ignore", "ok", {"raise": "oops"}]), "ok"]
        else:
            self.fields(child, auto)
            child["w"] = self.knobs(child)
            if child["w"].get("term_ms") == "infinity":
                self.endless.add(f"{path}/{name}")
            if self.often(0.05 if self.family != "invalid" else 0.2):
                child["w"]["ret"] = self.pick(RETURNS)
        if f"{path}/{name}" not in self.paths:
            self.paths.append(f"{path}/{name}")
        if self.often({"invalid": 0.6, "wild": 0.1}.get(self.family, 0)):
            self.spoil_child(child)
        elif self.wild and self.often(0.03):
            return {"raw": self.pick(RAW)}
        return child

    def learn(self, path: str, tree: Json) -> None:
        """Know a supervisor that is made of a template."""
        self.trees[path] = tree
        for child in tree.get("children", []):
            if "id" in child and not child.get("template"):
                below = f"{path}/{child['id']}"
                self.paths.append(below)
                if "sup" in child:
                    self.learn(below, child["sup"])

    def act_during(self) -> Json | None:
        return self.during()

    def during(self) -> Json | None:
        """Have a worker of a supervisor with ids be slow to start again."""
        choices = [
            (path, child)
            for path, tree in self.trees.items()
            for child in tree.get("children", [])
            if "w" in child
            and "id" in child
            and child.get("restart", "permanent") != "temporary"
            and "slow" not in str(child["w"].get("init", ""))
            and "ret" not in child["w"]
            and path not in self.dynamic_trees()
        ]
        if not choices:
            return None
        path, child = self.pick(choices)
        then = self.pick(["ok", {"stop": "bad"}, {"stop": "bad"}, "ignore", {"raise": "oops"}])
        slow = {"slow": 60, "then": then}
        child["w"]["init"] = (
            ["ok", *([slow] * 6)]
            if self.often(0.2)
            else ["ok", slow, *([{"stop": "bad"}] if self.often(0.3) else [])]
        )
        calls = [
            "terminate_child",
            "restart_child",
            "delete_child",
            "which_children",
            "count_children",
        ]
        op = self.pick([*calls, "get_childspec", "start_child"])
        call: Json = {"op": op, "sup": path}
        if op == "start_child":
            call["child"] = {**child, "w": {}}
        elif op not in ("which_children", "count_children"):
            call["id"] = child["id"] if self.often(0.7) else self.id_under(path)
        exit_of = {"op": "exit", "path": f"{path}/{child['id']}", "how": "stop", "reason": "boom"}
        return {"op": "during", "exit": exit_of, "call": call}
