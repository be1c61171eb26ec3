"""What may be started, and with what bounds."""

from typing import Any

import pytest

from beam.errors import InvalidInput
from beam.ports import PortSpec
from beam.ports.spec import OWNER_VARIABLE


def test_a_command_line_is_split_as_a_shell_would() -> None:
    assert PortSpec.of("agent --say 'two words' \"\"").argv == ("agent", "--say", "two words", "")


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("command", {"command": ""}),
        ("command", {"command": "agent 'unclosed"}),
        ("argv", {"command": []}),
        ("argv", {"command": [""]}),
        ("argv", {"command": ["agent", "a\0b"]}),
        ("argv", {"command": ["agent", "\ud800"]}),
        ("argv", {"command": ["agent", 7]}),
        ("cwd", {"cwd": ""}),
        ("env", {"env": {"A=B": "c"}}),
        ("env", {"env": "A=b"}),
        ("env[A]", {"env": {"A": "b\0c"}}),
        ("extra[A]", {"extra": {"A": 1}}),
        ("extra", {"extra": {OWNER_VARIABLE: "me"}}),
        ("inherit", {"inherit": "PATH"}),
        ("inherit", {"inherit": [""]}),
        ("inherit", {"inherit": ["PATH"], "env": {}}),
        ("stdin", {"stdin": "tty"}),
        ("line_limit", {"line_limit": 0}),
        ("line_limit", {"line_limit": True}),
        ("window_lines", {"window_lines": 1.5}),
        ("grace", {"grace": -1}),
        ("grace", {"grace": float("nan")}),
        ("kill_wait", {"kill_wait": float("inf")}),
        ("start_timeout", {"start_timeout": "5"}),
        ("shell", {"shell": True}),
    ],
)
def test_a_wrong_option_is_named(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        PortSpec.of(**{"command": "agent", **arguments})
    assert caught.value.field == field


def test_a_wrong_secret_is_not_shown() -> None:
    with pytest.raises(InvalidInput) as caught:
        PortSpec.of("agent", extra={"API_KEY": "sesame\0"})
    assert "sesame" not in str(caught.value)


def test_an_environment_does_not_appear_in_the_repr() -> None:
    spec = PortSpec.of("agent", env={"API_KEY": "sesame"}, extra={"OTHER": "sesame"})
    assert "sesame" not in repr(spec)


OURS = {"PATH": "/bin", "LC_ALL": "C", "LC_TIME": "C", "SECRET": "sesame"}


def test_our_environment_is_inherited_unless_said() -> None:
    assert PortSpec.of("agent", extra={"A": "b"}).environment(OURS, "m:") == {
        **OURS,
        "A": "b",
        OWNER_VARIABLE: "m:",
    }


def test_only_the_named_variables_go_through() -> None:
    spec = PortSpec.of("agent", inherit=["PATH", "LC_*", "ABSENT"])
    assert set(spec.environment(OURS, "m:")) == {"PATH", "LC_ALL", "LC_TIME", OWNER_VARIABLE}


def test_an_explicit_environment_is_the_whole_one() -> None:
    environment = PortSpec.of("agent", env={"A": "b"}, extra={"C": "d"}).environment(OURS, "m:")
    assert environment == {"A": "b", "C": "d", OWNER_VARIABLE: "m:"}


def test_the_marks_of_the_owners_above_us_are_kept() -> None:
    environment = PortSpec.of("agent", env={}).environment({OWNER_VARIABLE: "above:p1:"}, "m:")
    assert environment[OWNER_VARIABLE] == "above:p1: m:"
