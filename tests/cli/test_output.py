"""The output of `beam run`."""

import json
from pathlib import Path

import pytest

from beam.cli.job import TaskState
from beam.cli.output import Output
from beam.cli.tasks import Task
from beam.errors import InvalidInput


def ended(name: str) -> TaskState:
    return TaskState(Task(name, "p"), status="answered", answer=name.upper())


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_it_is_brought_up_to_date_in_the_order_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "out"
    first = Output(path)
    first.open([ended("b"), ended("a")])
    first.close()
    again = Output(path)
    assert again.open([ended("a"), ended("b"), ended("c")]) == 1
    again.close()
    assert ids(path) == ["b", "a", "c"]


def test_a_torn_line_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "out"
    output = Output(path)
    output.open([ended("a")])
    output.close()
    with path.open("a", encoding="utf-8") as file:
        file.write('{"id": "b", "sta')
    again = Output(path)
    again.open([ended("a")])
    again.close()
    assert ids(path) == ["a"]


def test_a_task_is_written_once(tmp_path: Path) -> None:
    output = Output(tmp_path / "out")
    output.open([])
    output.write(ended("a"))
    output.write(ended("a"))
    output.close()
    assert ids(tmp_path / "out") == ["a"]


def test_lines_that_are_no_output_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text('{"id": "a"}\n', encoding="utf-8")
    with pytest.raises(InvalidInput):
        Output(path)


def test_lines_of_other_tasks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    output = Output(path)
    output.open([ended("a")])
    output.close()
    with pytest.raises(InvalidInput):
        Output(path).check(["b"])


def test_without_a_path_nothing_is_written() -> None:
    output = Output(None)
    assert output.open([ended("a")]) == 0
    output.write(ended("b"))
    output.close()
