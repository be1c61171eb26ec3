"""Every function of the specification is on its facade, and takes what it takes there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from beam.facades import ControlFacade, RoutingFacade, RuntimeFacade
from tests.parity.functions import FUNCTIONS, Function, longest

FACADES: dict[str, type[Any]] = {
    "routing": RoutingFacade,
    "runtime": RuntimeFacade,
    "control": ControlFacade,
}
PAGE = (Path(__file__).parents[2] / "docs" / "parity.md").read_text("utf-8")
# What Python calls otherwise, or takes by keyword: see the page.
RENAMED = {"session_or_opts": "session", "route_request": "request", "pid": "process"}
BY_KEYWORD = {"routing.select_backend": ("request", "session")}


def test_the_specification_has_124_functions_of_113_names() -> None:
    assert (len(FUNCTIONS), len(longest())) == (124, 113)


@pytest.mark.parametrize("function", longest().values(), ids=str)
def test_it_is_there_takes_the_same_arguments_and_says_what_it_is_for(function: Function) -> None:
    method = getattr(FACADES[function.module], function.name)
    assert inspect.getdoc(method)
    parameters = list(inspect.signature(method).parameters.values())[1:]
    shortest = min(
        len(one.arguments) for one in FUNCTIONS if one.name == function.name
         and one.module == function.module
    )  # fmt: skip
    expected = tuple(RENAMED.get(name, name) for name in function.arguments)
    expected = BY_KEYWORD.get(f"{function.module}.{function.name}", expected)
    assert tuple(one.name for one in parameters) == expected
    needed = [one for one in parameters if one.default is inspect.Parameter.empty]
    optional = [one for one in parameters if one.default is not inspect.Parameter.empty]
    assert len(needed) == shortest
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in optional)


@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
def test_the_page_has_a_row_for_it(function: Function) -> None:
    row = re.search(rf"^\| `{function.module}\.{function.name}/{len(function.arguments)}` \|.*$",
                    PAGE, re.MULTILINE)  # fmt: skip
    assert row is not None
    cells = [cell.strip() for cell in row[0].strip("|").split("|")]
    assert len(cells) == 4
    assert all(cells)
