"""The configuration of `beam run`."""

from pathlib import Path

import pytest

from beam.cli.config import choose_backends
from beam.errors import InvalidInput


def config(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_name_stands_for_what_the_file_says(tmp_path: Path) -> None:
    path = config(
        tmp_path, '[backends.upper]\nfunction = "builtins:ascii"\ntools = ["builtins:len"]\n'
    )
    chosen = choose_backends(["upper"], path)
    assert [one.kind for one in chosen.backends.values()] == ["function"]
    assert chosen.tools["upper"] == (len,)


@pytest.mark.parametrize(
    "text",
    ["backends = 3", "[backends.a]\n", '[backends.a]\ncommand = "x"\nfunction = "y:z"\n',
     '[backends.a]\ncommand = "x"\nthreads = 2\n', '[backends.a]\nfunction = "y:z"\ncwd = "/"\n',
     '[backend.a]\ncommand = "x"\n', "[backends", '[backends.a]\nfunction = "y:z"\nthreads = 0\n'],
)  # fmt: skip
def test_what_the_file_must_not_say_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput):
        choose_backends(["a"], config(tmp_path, text))


@pytest.mark.parametrize(
    "name",
    ["a", "function:", "function:nothing", "function:no.such:thing", "function:builtins:nothing",
     "command:", "other:thing"],
)  # fmt: skip
def test_what_names_no_backend_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        choose_backends([name], None)


def test_a_backend_that_is_named_twice_is_refused() -> None:
    with pytest.raises(InvalidInput):
        choose_backends(["function:builtins:ascii"] * 2, None)
