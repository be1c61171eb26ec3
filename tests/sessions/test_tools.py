"""`beam.sessions.tools`: functions as tools, whose failures are data."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from pydantic import BaseModel

from beam.errors import InvalidInput
from beam.sessions.tools import Toolbox


def add(a: int, b: int = 0) -> int:
    """Add two numbers.

    More of it.
    """
    return a + b


class Place(BaseModel):
    path: str
    line: int = 1


def look(place: Place, how: Literal["far", "near"] = "near") -> dict[str, object]:
    return {"path": place.path, "line": place.line, "how": how}


def test_a_tool_is_offered_with_its_words_and_its_schema():
    [offer] = Toolbox([add]).offers()
    assert offer.name == "add"
    assert offer.description == "Add two numbers.\n\nMore of it."
    assert offer.input_schema["properties"]["a"]["type"] == "integer"
    assert offer.input_schema["required"] == ["a"]
    assert Toolbox([look]).offers()[0].description == ""


def test_arguments_become_what_the_function_wants():
    tools = Toolbox([look])
    content, is_error = tools.call("look", {"place": {"path": "a.py"}, "how": "far"})
    assert (content, is_error) == ('{"how":"far","line":1,"path":"a.py"}', False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "place: Missing required argument"),
        ({"place": {"path": 3}}, "place.path: "),
        ({"place": {"path": "a.py"}, "how": "sideways"}, "how: "),
        ({"place": {"path": "a.py"}, "more": 1}, "more: Unexpected keyword argument"),
    ],
    ids=["missing", "deep", "choice", "unknown"],
)
def test_wrong_arguments_are_named(arguments, said):
    content, is_error = Toolbox([look]).call("look", arguments)
    assert is_error
    assert content.startswith("look was called wrongly: ")
    assert said in content


def test_what_a_tool_raises_is_its_answer():
    def fails() -> None:
        raise ValueError("no such file")

    assert Toolbox([fails]).call("fails", {}) == ("ValueError: no such file", True)


def test_an_answer_that_is_no_json_is_an_error():
    def guess() -> object:
        return {1, 2}

    assert Toolbox([guess]).call("guess", {})[1]


def test_an_unknown_tool_is_an_error_that_names_the_known_ones():
    assert Toolbox([add, look]).call("rm", {}) == (
        "there is no tool named rm; there are: add, look",
        True,
    )
    assert Toolbox([]).call("rm", {})[0].endswith("there are: none")


async def later(seconds: float) -> str:
    """Come back later."""
    await asyncio.sleep(0)
    return f"back after {seconds:g}"


def test_a_coroutine_function_is_a_tool():
    tools = Toolbox([later])
    assert tools.call("later", {"seconds": 2}) == ("back after 2", False)
    assert tools.call("later", {"seconds": "soon"})[1]


def strange(what: threading_lock) -> None:  # noqa: F821 - a type that nobody knows
    """Take what cannot be described."""


@pytest.mark.parametrize(
    "tool",
    [strange, 3, "add", object()],
    ids=["an unknown type", "a number", "a name", "an object"],
)
def test_what_cannot_be_a_tool_is_refused(tool):
    with pytest.raises(InvalidInput) as refused:
        Toolbox([tool])
    assert refused.value.field == "tools"


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(InvalidInput) as refused:
        Toolbox([add, add])
    assert refused.value.value == "add"
