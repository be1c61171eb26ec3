"""The commands of an agent that overlooks their end, on process tables that are made up."""

from __future__ import annotations

import pytest

from beam.backends.acp_commands import LOOK, CommandWatch, what_lives
from beam.ports.processes import Process, Table

KEEPER, PROGRAM, SHELL, OTHER = 1, 2, 3, 4
CALL, SECOND = frozenset({"call-1"}), frozenset({"call-1", "call-2"})


def table(*shells: int, orphans: tuple[int, ...] = (), zombies: tuple[int, ...] = ()) -> Table:
    """Return a table with a program, its shells, what they have left behind, and a server of it."""
    rows = [Process(KEEPER, 0, KEEPER, "0", False), Process(PROGRAM, KEEPER, PROGRAM, "0", False)]
    rows += [Process(9, PROGRAM, PROGRAM, "0", False)]
    rows += [Process(pid, PROGRAM, pid, "0", pid in zombies) for pid in shells]
    rows += [Process(pid, KEEPER, SHELL, "0", False) for pid in orphans]
    return {row.pid: row for row in rows}


def looks(watch: CommandWatch, seen: Table, calls: frozenset[str], times: int) -> list[str]:
    """Return what is said in so many looks, from second 10 on."""
    return [watch.look(seen, calls, 10 + n * LOOK) for n in range(times)]


@pytest.fixture
def watch() -> CommandWatch:
    return CommandWatch(PROGRAM, KEEPER, 9.8)


@pytest.mark.parametrize(
    ("seen", "lives"),
    [
        (table(SHELL, OTHER), "all"),
        (table(SHELL), "some"),
        (table(SHELL, OTHER, zombies=(SHELL,)), "some"),
        (table(orphans=(5,)), "some"),
        (table(), "none"),
    ],
)
def test_a_shell_or_what_it_has_left_behind_is_what_lives_of_a_command(
    seen: Table, lives: str
) -> None:
    assert what_lives(seen, program=PROGRAM, keeper=KEEPER, calls=2) == lives


def test_of_a_shell_that_was_seen_and_is_gone_it_is_told_once_and_soon(watch: CommandWatch) -> None:
    assert watch.look(table(SHELL), CALL, 9.9) == ""
    assert looks(watch, table(orphans=(5,)), CALL, 100) == ["", "missing", *[""] * 98]


def test_a_shell_that_is_still_to_be_started_has_longer(watch: CommandWatch) -> None:
    assert looks(watch, table(), CALL, 4) == [""] * 4
    assert watch.look(table(SHELL), CALL, 11.0) == ""


def test_a_command_of_which_nothing_lives_is_lost_after_a_while(watch: CommandWatch) -> None:
    watch.look(table(SHELL), CALL, 9.9)
    said = looks(watch, table(), CALL, 26)
    assert (said.count("missing"), said.index("lost")) == (1, 25)


def test_a_command_that_has_left_something_behind_is_not_lost(watch: CommandWatch) -> None:
    watch.look(table(SHELL), CALL, 9.9)
    assert "lost" not in looks(watch, table(orphans=(5,)), CALL, 1000)


def test_one_of_two_that_is_gone_is_told_of_and_the_other_goes_on(watch: CommandWatch) -> None:
    watch.look(table(SHELL, OTHER), SECOND, 9.9)
    said = looks(watch, table(OTHER), SECOND, 1000)
    assert [each for each in said if each] == ["missing"]


def test_a_command_that_ends_as_usual_is_not_told_of(watch: CommandWatch) -> None:
    watch.look(table(SHELL), CALL, 9.9)
    assert watch.look(table(), CALL, 10.0) == ""
    assert looks(watch, table(), frozenset(), 1000) == [""] * 1000
