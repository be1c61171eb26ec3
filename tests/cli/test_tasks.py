"""The tasks of `beam run`, as lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.cli.tasks import Task, read_tasks
from beam.errors import InvalidInput


def test_a_plain_line_is_a_prompt_named_after_its_line() -> None:
    assert read_tasks(["", "  Add up  ", "", "Subtract"]) == [
        Task("line-2", "Add up"),
        Task("line-4", "Subtract"),
    ]


def test_a_json_line_may_say_everything() -> None:
    line = json.dumps({"id": "a", "prompt": "p", "backend": "b", "metadata": {"k": [1]}})
    assert read_tasks([line]) == [Task("a", "p", "b", {"k": [1]})]


@pytest.mark.parametrize(
    "line",
    ["{", '{"id": 1, "prompt": "x"}', '{"prompt": ""}', '{"prompt": "x", "more": 1}', "{}",
     '{"prompt": "x", "metadata": []}', '{"prompt": NaN}'],
)  # fmt: skip
def test_a_bad_line_is_named_by_its_number(line: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_tasks(["fine", line])
    assert caught.value.field == "line 2"


def test_an_id_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="line 1"):
        read_tasks(['{"id": "a", "prompt": "x"}', '{"id": "a", "prompt": "y"}'])


def test_no_task_at_all_is_refused() -> None:
    with pytest.raises(InvalidInput):
        read_tasks(["", "   "])


@given(st.lists(st.text(min_size=1).filter(lambda t: t.strip() and not t.strip().startswith("{"))))
def test_every_line_that_is_not_blank_is_a_task(lines: list[str]) -> None:
    if lines:
        assert len(read_tasks(lines)) == len(lines)
