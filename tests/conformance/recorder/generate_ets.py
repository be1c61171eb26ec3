"""Table programs at random, in the form of `ets.jsonl`.

The `recorded` ones are like those that came with the traces: few keys that are hard to tell apart,
short rows, match specifications with deep guards. The `wild` ones use everything that the format
has: more functions of guards, bodies of several expressions, patterns inside of rows, options and
arguments that are wrong in each way.
"""

from __future__ import annotations

import random
from typing import Any

__all__ = ["table_program"]

Json = Any


def t(*items: Json) -> Json:
    return {"t": list(items)}


def f(number: float | str) -> Json:
    return {"f": number if isinstance(number, str) else repr(float(number))}


def b(text: str) -> Json:
    return {"b": text}


def m(*pairs: Json) -> Json:
    return {"m": [list(pair) for pair in pairs]}


BIG = 10**21
KEYS = [
    *(1, 2, 3, 10, -1, BIG, f(1), f(2), f(3), f(2.5), "a", "b", "c", "x", "true", b(""), b("k")),
    *(b("kk"), t(), t("a", 1), t("b"), t(1, 2), t(f(1), 2), t("a", "b", "c"), [], [1], [1, 2]),
    *(["a"], m(), m(("a", 1)), f(-1), f(10)),
]
WILD_KEYS = [
    *(0, f(0), "false", "undefined", "A", "aa", "é", b("é"), b("K"), -BIG, 2**53, 2**53 + 1),
    *(
        f("9007199254740992.0"),
        f("1.0e21"),
        f("-1.0e300"),
        f("1.0e-7"),
        t(1),
        t(f(1)),
        t(t(1, 2), f(1)),
        t("a", f(1)),
        [f(1)],
    ),
    *([[], []], [1, [2]], [b("a")], m(("a", f(1))), m((1, "a")), m((f(1), "a")), m(("b", 1))),
    *(m(("a", 1), ("b", 2)), m((1, "x"), ("a", 1)), t("a", m(("a", 1))), t("a", []), t("", 1)),
    *(m((t("a", 1), 1)), m(("a", m(("a", 1))))),
]
VALUES = [0, 1, 2, 3, 5, 7, "x", "y", f(1.5), f(2.5), [1, 2], t("p", 1), b("v"), -1]
WILD_VALUES = [*KEYS, *WILD_KEYS, *VALUES]
COMPARISONS = [">", ">=", "<", "=<", "==", "/=", "=:=", "=/="]
TESTS = ["is_integer", "is_float", "is_atom", "is_binary", "is_tuple", "is_list", "is_number"]
WILD_TESTS = [
    *TESTS,
    "is_map",
    "is_pid",
    "is_port",
    "is_reference",
    "is_function",
    "is_boolean",
    "is_record",
]
ARITHMETIC = ["+", "-", "*"]
WILD_ARITHMETIC = [
    *ARITHMETIC,
    "/",
    "div",
    "rem",
    "band",
    "bor",
    "bxor",
    "bsl",
    "bsr",
]
UNARY = [
    "abs",
    "hd",
    "tl",
    "length",
    "size",
    "tuple_size",
    "byte_size",
    "bit_size",
    "map_size",
    "round",
    "trunc",
    "float",
    "bnot",
    "-",
    "+",
    "not",
    "node",
    "ceil",
    "floor",
]
WRONG_OPTIONS = [
    t("keypos", 0),
    t("keypos", -1),
    t("keypos", "a"),
    "bogus",
    t("heir", t("p")),
    t("heir"),
    t("heir", "some"),
    t("heir", "none", "x"),
    t("keypos"),
]


class Maker:
    """Makes one program.

    Args:
        seed: of its randomness.
        wild: whether everything may occur.
    """

    def __init__(self, seed: int, *, wild: bool) -> None:
        self.random = random.Random(f"ets {wild} {seed}")
        self.wild = wild
        self.keypos: dict[str, int] = {}
        self.kind: dict[str, str] = {}
        keys = [*KEYS, *WILD_KEYS] if wild else KEYS
        self.values = WILD_VALUES if wild and self.chance(0.5) else VALUES
        self.keys = self.random.sample(keys, self.random.randint(2, 5))
        if self.chance(0.7):  # The same number, or one of the same shape, in another dress.
            self.keys += self.random.choice(
                [[1, f(1)], [2, f(2)], [t(1, 2), t(f(1), 2)], [3, f(3)], [10, f(10)], [-1, f(-1)]]
            )

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, items: Any) -> Json:
        return self.random.choice(items)

    # Terms

    def key(self) -> Json:
        return self.pick(self.keys)

    def value(self) -> Json:
        return self.pick(self.values)

    def row(self, name: str, key: Json = None) -> Json:
        if self.chance(0.02):
            return self.pick(["notatuple", t(), 5, [t(1, 2)]]) if self.wild else "notatuple"
        at = self.keypos.get(name, 1)
        key = self.key() if key is None else key
        width = self.random.choice([1, 2, 2, 2, 3, 3, 4])
        items = [self.value() for _ in range(width)]
        if width < at:
            return t("only") if self.chance(0.2) else t(self.value(), key)
        items[at - 1] = key
        return t(*items)

    # Patterns and specifications

    def hole(self, number: int) -> Json:
        return self.pick(["_", f"${number}", f"${number}"])

    def part(self, number: int, depth: int = 0) -> Json:
        """Return a part of a pattern: a hole, a value, or in the wild one with holes in it."""
        if self.chance(0.65):
            return self.hole(self.pick([1, 2]) if self.chance(0.05) else number)
        if self.wild and depth < 2 and self.chance(0.5):
            parts = [self.part(self.pick([1, 2, 3]), depth + 1) for _ in range(self.pick([1, 2]))]
            return self.pick(
                [
                    t(*parts),
                    parts,
                    m(("a", parts[0])),
                    t("a", parts[0]),
                    m((1, parts[0])),
                    m((self.hole(1), 1)) if self.chance(0.1) else m(("b", parts[0])),
                ]
            )
        return self.value()

    def pattern(self, name: str, width: int | None = None) -> Json:
        if self.chance(0.06):
            wrong = ["_", 5, "a"]
            return self.pick([*wrong, "$1", [], t(), b("$"), ["_"], m()] if self.wild else wrong)
        width = width or self.pick([1, 2, 2, 2, 3, 3])
        parts = [self.part(number + 1) for number in range(width)]
        at = self.keypos.get(name, 1)
        if width >= at:
            parts[at - 1] = self.key() if self.chance(0.3) else self.hole(at)
            if self.wild and self.chance(0.15):
                parts[at - 1] = self.part(at)
        return t(*parts)

    def variable(self, head: Json) -> Json:
        if self.chance(0.04):
            return "$9"
        inside = sorted(set(variables(head)))
        return self.pick(inside) if inside else self.pick(["$_", "$9"])

    def operand(self, head: Json, depth: int) -> Json:
        if self.wild and depth < 3 and self.chance(0.45):
            return self.expression(head, depth + 1)
        return self.variable(head)

    def constant(self) -> Json:
        if self.wild and self.chance(0.3):
            value = self.value()
            return t("const", value) if self.chance(0.5) else constructed(value)
        return self.pick([1, 2, 3, f(1), f(2), "a", "x", b("k")])

    def expression(self, head: Json, depth: int = 0) -> Json:
        """Return an expression of any value, in the wild."""
        chosen = self.random.random()
        if chosen < 0.25:
            return self.constant()
        if chosen < 0.45:
            return self.pick([self.variable(head), "$_", "$$"])
        if chosen < 0.6:
            return t(
                self.pick(WILD_ARITHMETIC), self.operand(head, depth), self.operand(head, depth)
            )
        if chosen < 0.75:
            return t(self.pick(UNARY), self.operand(head, depth))
        if chosen < 0.8:
            position = self.pick([0, 1, 2, 3, "a", self.operand(head, depth)])
            return t("element", position, self.pick(["$_", self.operand(head, depth)]))
        if chosen < 0.84:
            inner = [self.operand(head, depth) for _ in range(self.pick([0, 1, 2]))]
            return self.pick([t(t(*inner)), inner, m(*[("a", each) for each in inner[:1]])])
        if chosen < 0.9:
            return self.pick(
                [
                    t("map_get", self.pick(["a", 1]), self.operand(head, depth)),
                    t("is_map_key", self.pick(["a", 1]), self.operand(head, depth)),
                    t(
                        "binary_part",
                        self.operand(head, depth),
                        self.pick([0, 1]),
                        self.pick([0, 1, -1]),
                    ),
                    t("max", 1, self.operand(head, depth)),
                    t("min", 1, self.operand(head, depth)),
                    t("is_record", self.operand(head, depth), "a", self.pick([1, 2])),
                    t("is_function", self.operand(head, depth), 1),
                    t("self"),
                    t("bogus", 1),
                    t(),
                    t(1, 2),
                    t("element", 1),
                    t("const"),
                    t("const", 1, 2),
                    t("is_atom"),
                    t("andalso"),
                    t("or"),
                    t("binary_to_atom", 1),
                    t("get_tcw"),
                    t("message", 1),
                    t("size"),
                    t("bogus"),
                ]
            )
        return self.guard(head, depth + 1)

    def guard(self, head: Json, depth: int = 0) -> Json:
        chosen = self.random.random()
        if depth < 4 and chosen < 0.25:
            word = self.pick(["andalso", "orelse"])
            if self.wild:
                word = self.pick([word, word, "and", "or", "xor"])
            count = 2 if not self.wild else self.pick([1, 2, 2, 2, 3])
            return t(word, *[self.guard(head, depth + 1) for _ in range(count)])
        if depth < 4 and chosen < 0.33:
            return t("not", self.guard(head, depth + 1))
        if chosen < 0.45:
            return t("=:=", t("element", 1, "$_"), self.pick([1, "a"]))
        if chosen < 0.6:
            tests = WILD_TESTS if self.wild else TESTS
            return t(self.pick(tests), self.operand(head, depth))
        if chosen < 0.75:
            sums = WILD_ARITHMETIC if self.wild else ARITHMETIC
            total = t(self.pick(sums), self.operand(head, depth), self.pick([1, 2]))
            return t(self.pick(COMPARISONS), total, self.pick([2, 3, 4]))
        if self.wild and chosen < 0.8:
            return self.pick(
                [self.expression(head, depth + 1), "true", "false", 1, self.variable(head)]
            )
        return t(self.pick(COMPARISONS), self.operand(head, depth), self.constant())

    def body(self, head: Json, wanted: str) -> Json:
        if wanted == "true" and self.chance(0.85):
            return ["true"]
        if self.wild and self.chance(0.5):
            expressions = [self.expression(head) for _ in range(self.pick([1, 1, 1, 2]))]
            return [] if self.chance(0.02) else expressions
        held = sorted(set(variables(head))) or ["$_"]
        return [
            self.pick(
                [
                    "$_",
                    "$$",
                    self.variable(head),
                    t(t(*held)),
                    [self.variable(head), "k"],
                    t(t(self.variable(head))),
                ]
            )
        ]

    def clause(self, name: str, wanted: str) -> Json:
        head = self.pattern(name)
        if not self.wild and not isinstance(head, dict):
            head = t("$1", "$2")
        guards = [self.guard(head) for _ in range(self.pick([0, 0, 1, 1, 1, 2]))]
        if wanted == "replace":
            return t(head, guards, [self.replacement(name, head)])
        return t(head, guards, self.body(head, wanted))

    def spec(self, name: str, wanted: str = "any") -> Json:
        if self.chance(0.03):
            wrong = [[t("x")], "bad", [], [t("a", "b", "c")], t("x"), [1]]
            more = [[t("_", [], [])], [t("_", "true", ["$_"])], [t("_", [], "$_")], [t("_", [])]]
            return self.pick([*wrong, *more] if self.wild else wrong[:1])
        return [self.clause(name, wanted) for _ in range(self.pick([1, 1, 1, 1, 2, 2, 3]))]

    def replacement(self, name: str, head: Json) -> Json:
        at = self.keypos.get(name, 1)
        if not isinstance(head, dict) or "t" not in head or self.chance(0.1):
            return self.pick(["$_", self.expression(head)])
        parts = [self.pick([part, self.expression(head)]) for part in head["t"]]
        parts = [t("const", 1) if part == "_" else part for part in parts]
        if len(parts) >= at:
            key = head["t"][at - 1]
            parts[at - 1] = self.pick(
                [key, constructed(key), t("element", at, "$_"), t("const", key), self.value()]
                if self.chance(0.7)
                else [constructed(key)]
            )
        return t(t(*parts))

    # Operations

    def counter(self) -> Json:
        """Return what `update_counter` takes."""
        number = self.pick([1, 2, -1, 5, -4, 10, 0])
        chosen = self.random.random()
        if chosen < 0.35:
            return number
        if chosen < 0.6:
            return self.step()
        if chosen < 0.9:
            return [self.step() for _ in range(self.pick([0, 1, 2, 3]))]
        wrong = ["x", f(1), t(2), t(2, "x"), t(2, f(1.5)), t(2, 1, 2), [1], t("a", 1), [t(2, "x")]]
        more = [t(2, 1, "x", 0), t(2, 1, 0, "x"), t(0, 1), t(-1, 1), [t(2, 1), 1], b("k"), t(9, 1)]
        return self.pick([*wrong, *more])

    def step(self) -> Json:
        position, number = self.pick([2, 2, 2, 3, 3, 1, 4]), self.pick([1, 2, -1, -4, 0, 5, BIG])
        if self.chance(0.5):
            return t(position, number)
        return t(position, number, self.pick([0, 3, 5, 10, -2]), self.pick([0, 1, -3]))

    def change(self) -> Json:
        change = t(self.pick([2, 2, 2, 3, 3, 1, 0, 4]), self.value())
        chosen = self.random.random()
        if chosen < 0.6:
            return change
        if chosen < 0.9:
            return [t(self.pick([2, 3, 2, 1]), self.value()) for _ in range(self.pick([0, 1, 2]))]
        return self.pick([t(2), t("a", 1), 5, t(-1, 1), [5], t(2, 1, 1), t(f(2), 1)])

    def default(self, name: str) -> Json:
        if self.chance(0.1):
            # No `{}`: OTP 25's ordered sets take a default too short for a key, and crash the VM.
            return self.pick(["x", t("dflt", "x"), [1], t("only", "a"), 5])
        items = ["dflt", *[self.pick([0, 1, 10, 100, "x"]) for _ in range(self.pick([1, 1, 2]))]]
        return t(*items)

    def operation(self, name: str) -> tuple[str, list[Json]]:
        """Return an operation on rows, and its arguments."""
        ordered = self.kind.get(name) == "ordered_set"
        choices = [
            *["insert"] * 20,
            *["insert_new"] * 5,
            *["lookup"] * 8,
            *["member"] * 3,
            *["take"] * 3,
            *["delete"] * 3,
            *["delete_object"] * 4,
            *["tab2list"] * 4,
            *["lookup_element"] * 3,
            *["update_counter"] * 6,
            *["update_element"] * 4,
            *["match"] * 4,
            *["match_object"] * 4,
            *["match_delete"] * 2,
            *["select"] * 6,
            *["select_count"] * 3,
            *["select_delete"] * 2,
            "foldl",
            "foldr",
            "delete_all_objects" if self.chance(0.3) else "tab2list",
        ]
        if ordered:
            choices += [
                *["first", "last", "next", "next", "next", "prev", "prev", "prev"],
                *["select_reverse", "select_chunks", "select_chunks"],
            ]
        if self.wild:
            choices += ["select_replace"] * 4 + ["select_replace", "safe_fixtable", "info"]
            choices += ["slot"] * ordered
        return self.with_arguments(self.pick(choices), name)

    def with_arguments(self, op: str, name: str) -> tuple[str, list[Json]]:
        """Return the operation with what it is called with."""
        rows = [[self.row(name) for _ in range(self.pick([0, 1, 2, 2, 3]))]]
        one = [self.row(name)]
        pattern, spec = [self.pattern(name)], [self.spec(name)]
        inserted = rows if self.chance(0.12) else one
        default = [self.default(name)] if self.chance(0.4) else []
        limit = self.pick([1, 1, 2, 3, 0 if self.wild else 1])
        items = ["size", "type", "keypos", "fixed", "protection", "bogus"]
        arguments = {
            "insert": inserted,
            "insert_new": inserted,
            "delete_object": one,
            "lookup_element": [self.key(), self.pick([1, 2, 2, 2, 3, 3, 0, 4, "a"])],
            "update_counter": [self.key(), self.counter(), *default],
            "update_element": [self.key(), self.change()],
            "match": pattern,
            "match_object": pattern,
            "match_delete": pattern,
            "select": spec,
            "select_reverse": spec,
            "select_chunks": [*spec, limit],
            "select_count": [self.spec(name, "true")],
            "select_delete": [self.spec(name, "true")],
            "select_replace": [self.spec(name, "replace")],
            "slot": [self.pick([0, 1, 2, 3, 5, -1, "a"])],
            "safe_fixtable": [self.pick(["true", "true", "false"])],
            "info": [self.pick(items)],
        }
        if op in ("lookup", "member", "take", "delete", "next", "prev"):
            return op, [self.key()]
        return op, arguments.get(op, [])


def variables(pattern: Json) -> list[str]:
    if isinstance(pattern, str):
        return [pattern] if pattern.startswith("$") and pattern[1:].isdigit() else []
    if isinstance(pattern, list):
        return [name for item in pattern for name in variables(item)]
    if isinstance(pattern, dict) and ("t" in pattern or "m" in pattern):
        return variables(pattern.get("t", pattern.get("m")))
    return []


def constructed(term: Json) -> Json:
    """Return a term as an expression: what is a tuple in it stands in a tuple."""
    if isinstance(term, list):
        return [constructed(item) for item in term]
    if isinstance(term, dict) and "t" in term:
        return t(t(*map(constructed, term["t"])))
    if isinstance(term, dict) and "m" in term:
        return m(*[(constructed(key), constructed(value)) for key, value in term["m"]])
    return term


def options(maker: Maker, name: str, kind: str, procs: list[str]) -> list[Json]:
    chosen: list[Json] = [] if kind == "set" and maker.chance(0.5) else [kind]
    if maker.chance(0.45):
        chosen.append(maker.pick(["public", "protected", "private"]))
    keypos = 2 if maker.chance(0.2) else 1
    if keypos == 2:
        chosen.append(t("keypos", 2))
    if maker.chance(0.37):
        chosen.append("named_table")
    if len(procs) > 1 and maker.chance(0.5):
        heir = {"p": maker.pick(procs)}
        chosen.append(
            maker.pick(
                [t("heir", heir, t("inherited", 1)), t("heir", heir, "h2"), t("heir", "none")]
            )
        )
    if maker.wild:
        if maker.chance(0.06):
            # Alone: an argument of ours is given once, so a later one would hide it.
            chosen = [option for option in chosen if isinstance(option, str)]
            chosen.append(maker.pick(WRONG_OPTIONS))
            keypos = 1
        elif maker.chance(0.1):
            chosen.append(maker.pick(["set", "public", t("keypos", 1), "named_table", "private"]))
        if maker.chance(0.5):
            maker.random.shuffle(chosen)
    found = [each for each in chosen if each in ("set", "ordered_set", "bag", "duplicate_bag")]
    maker.kind[name] = found[-1] if found else "set"
    maker.keypos[name] = keypos
    return chosen


def table_program(seed: int, *, wild: bool = False) -> dict[str, Json]:
    """Return a scenario.

    Args:
        seed: which one.
        wild: whether everything may occur.
    """
    maker = Maker(seed, wild=wild)
    if maker.chance(0.25):
        return owner_program(maker, seed)
    kind = maker.pick(["set", "set", "ordered_set", "ordered_set", "bag", "duplicate_bag"])
    ops = [{"by": "p0", "op": "new", "name": "t1", "opts": options(maker, "t1", kind, ["p0"])}]
    for _ in range(maker.random.randint(10, 40 if wild else 24)):
        op, arguments = maker.operation("t1")
        ops.append({"by": "p0", "op": op, "tab": "t1", "a": arguments})
    ops.append({"by": "p0", "op": "tab2list", "tab": "t1", "a": []})
    tags = ["wild" if wild else "rows"]
    return {"id": f"{tags[0]}-{seed}", "seed": [seed, 0], "tags": tags, "procs": ["p0"], "ops": ops}


def owner_program(maker: Maker, seed: int) -> dict[str, Json]:
    """Return a program of several processes and tables that change hands."""
    procs = ["p0", "p1", "p2"]
    tables = ["t1"]
    ops: list[Json] = []

    def new(by: str, name: str) -> None:
        kind = maker.pick(["set", "ordered_set", "bag", "duplicate_bag"])
        ops.append({"by": by, "op": "new", "name": name, "opts": options(maker, name, kind, procs)})

    new("p0", "t1")
    if maker.chance(0.4):
        new(maker.pick(procs), "t2")
        tables.append("t2")
    for _ in range(maker.random.randint(10, 40 if maker.wild else 22)):
        by, name = maker.pick(procs), maker.pick(tables)
        op = maker.pick(
            [
                *["rows"] * 10,
                *["mbox"] * 5,
                *["info"] * 5,
                *["give_away"] * 4,
                *["setopts"] * 3,
                *["whereis"] * 2,
                *["exit"] * maker.chance(0.5),
                "new",
                "rename" if maker.chance(0.5) else "mbox",
                "drop" if maker.chance(0.4) else "mbox",
            ]
        )
        if op == "new":
            new(by, maker.pick(["t1", "t2", "t3"]))
            tables = sorted({*tables, ops[-1]["name"]})
        elif op in ("mbox", "exit"):
            ops.append({"by": by, "op": op})
        else:
            ops.append({"by": by, **owner_step(maker, op, name, procs)})
    ops += [{"by": by, "op": "mbox"} for by in procs]
    for name in tables:
        for by in procs:
            ops.append({"by": by, "op": "info", "tab": name, "a": ["owner"]})
            ops.append({"by": by, "op": "tab2list", "tab": name, "a": []})
    tags = ["wild" if maker.wild else "owner"]
    return {"id": f"{tags[0]}-{seed}", "seed": [seed, 0], "tags": tags, "procs": procs, "ops": ops}


def owner_step(maker: Maker, op: str, name: str, procs: list[str]) -> dict[str, Json]:
    """Return an operation of a process on a table that may be another's."""
    step: dict[str, Json] = {"op": op, "tab": name}
    match op:
        case "rows":
            step["op"], step["a"] = maker.operation(name)
        case "info":
            items = ["owner", "heir", "name", "named_table", "size", "type", "protection"]
            step["a"] = [maker.pick([*items, "keypos", "fixed" if maker.wild else "owner"])]
        case "give_away":
            to = {"p": maker.pick(procs)}
            gift = maker.pick([t("g", 1), "gift", b("x")])
            step["a"] = [maker.pick([to, "x"]) if maker.wild and maker.chance(0.1) else to, gift]
        case "setopts":
            step["a"] = [setting(maker, procs)]
        case "rename":
            step["to"] = "t9" if not maker.wild else maker.pick(["t9", "t1", "t2"])
    return step


def setting(maker: Maker, procs: list[str]) -> Json:
    heir = {"p": maker.pick(procs)}
    one = maker.pick([t("heir", "none"), t("heir", heir, t("h", 2)), t("heir", heir, "hd")])
    if maker.wild and maker.chance(0.2):
        one = maker.pick([t("heir", heir), "bogus", t("heir", "some", 1), t("keypos", 2)])
        return maker.pick([one, [one], [one, one]])
    return maker.pick([one, [one]])
