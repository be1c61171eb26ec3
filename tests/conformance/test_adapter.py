"""The players use what everybody may use, and cannot look at what was recorded."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import beam.errors
import beam.otp
import beam.testing
from tests.conformance.stage import SUBJECTS, outcomes

ADAPTER = [Path(__file__).with_name(f"{name}.py") for name in (*SUBJECTS, "specs", "terms")]
DOORS = {
    "beam.otp": set(beam.otp.__all__),
    "beam.testing": set(beam.testing.__all__),
    "beam.errors": set(beam.errors.__all__),
}

adapter = pytest.mark.parametrize("path", ADAPTER, ids=lambda path: path.stem)


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text("utf-8"))))


@adapter
def test_it_imports_public_names_only(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            assert [one.name for one in node.names if one.name.startswith("beam")] == []
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("beam"):
            assert {one.name for one in node.names} <= DOORS[node.module or ""]


@adapter
def test_it_touches_nothing_private_of_others(path: Path) -> None:
    # What the kernel keeps behind a ref or a node is in its control block.
    kernel = {"control", "actor", "lock", "scheduler"}
    for node in nodes(path):
        if isinstance(node, ast.Attribute):
            assert node.attr not in kernel
            mine = ast.unparse(node.value) in {"self", "cls", "super()"}
            assert mine or not node.attr.startswith("_") or node.attr == "_asdict"


@adapter
def test_it_never_names_the_trace(path: Path) -> None:
    constants = [node.value for node in nodes(path) if isinstance(node, ast.Constant)]
    assert "trace" not in constants


@adapter
def test_it_is_small(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 400


def test_a_player_is_not_given_the_trace() -> None:
    given = []
    scenario = {"id": "one", "steps": [1, 2], "trace": [3]}
    list(outcomes(lambda played, _node: given.append(played) or [], [scenario], "simulation"))
    assert given == [{"id": "one", "steps": [1, 2]}]
