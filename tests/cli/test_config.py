"""The configuration of `beam run`."""

import importlib.util
import sys
import types
from pathlib import Path

import pytest

from beam.backends.acp import AcpBackend
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
     '[backends.a]\nagent = "nobody"\n', '[backends.a]\nprovider = "nobody"\n',
     '[backends.a]\nagent = "acp"\n', '[backends.a]\ncommand = "x"\noptions = { model = "m" }\n',
     '[backends.a]\nagent = "acp"\noptions = { command = "python3", mode = 1 }\n',
     '[backends.a]\nagent = "acp"\ncommand = "x"\n',
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


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the clients of all agents for installed."""
    find = importlib.util.find_spec
    known = {"acp": "json"}
    monkeypatch.setitem(sys.modules, "openai", types.ModuleType("openai"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find(known.get(name, name)))


@pytest.mark.usefixtures("clients")
def test_an_agent_has_the_options_of_its_function(tmp_path: Path) -> None:
    text = f"""
    [backends.careful]
    agent = "gemini"
    options = {{ command = "{sys.executable}", model = "m", turn = {{ idle = 5.0 }} }}
    """
    chosen = choose_backends(["careful", f"acp:{sys.executable} --acp"], config(tmp_path, text))
    careful, other = chosen.backends.values()
    assert isinstance(careful, AcpBackend)
    assert isinstance(other, AcpBackend)
    assert (careful.kind, careful.model, careful.turn.idle) == ("gemini", "m", 5.0)
    assert other.command == (sys.executable, "--acp")


@pytest.mark.usefixtures("clients")
def test_a_provider_has_the_options_of_its_function(tmp_path: Path) -> None:
    text = """
    [backends.local]
    provider = "chat"
    options = { model = "m", base_url = "http://localhost:1/v1" }
    """
    (made,) = choose_backends(["local"], config(tmp_path, text)).backends.values()
    assert made.kind == "provider"


def test_a_backend_that_is_named_twice_is_refused() -> None:
    with pytest.raises(InvalidInput):
        choose_backends(["function:builtins:ascii"] * 2, None)
