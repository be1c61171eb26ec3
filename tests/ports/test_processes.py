"""Reading the process table."""

import os
import signal
import subprocess
import sys

from beam.ports.processes import descendants, namespace, parse, read, same, send, snapshot, variable

WAITS = [sys.executable, "-I", "-S", "-c", "import signal; print(1, flush=True); signal.pause()"]


def test_a_process_is_found_below_its_parent() -> None:
    with subprocess.Popen(WAITS, stdout=subprocess.PIPE) as child:
        found = [each.pid for each in descendants(snapshot(), os.getpid())]
        child.kill()
    assert child.pid in found


def test_a_process_that_is_not_there_is_none() -> None:
    with subprocess.Popen(WAITS, stdout=subprocess.PIPE) as child:
        child.kill()
    assert read(child.pid) is None


def test_a_signal_reaches_its_process() -> None:
    with subprocess.Popen(WAITS, stdout=subprocess.PIPE) as child:
        process = read(child.pid)
        assert process
        assert send(process, signal.SIGTERM)
    assert child.returncode == -signal.SIGTERM


def test_a_signal_does_not_reach_another_process_with_the_same_pid() -> None:
    with subprocess.Popen(WAITS, stdout=subprocess.PIPE) as child:
        earlier = read(child.pid)
        assert earlier
        earlier.started = "before"
        assert not same(earlier, read(child.pid))
        assert not send(earlier, signal.SIGTERM)
        child.kill()
    assert child.returncode == -signal.SIGKILL


def test_a_zombie_is_told_from_the_living_and_takes_no_signal() -> None:
    with subprocess.Popen(WAITS, stdout=subprocess.PIPE) as child:
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        zombie = read(child.pid)
        assert zombie
        assert zombie.zombie
        assert not send(zombie, signal.SIGTERM)


def test_the_environment_of_a_process_is_read_as_it_was_at_its_start() -> None:
    environment = {"A": "one two", "AB": "three"}
    with subprocess.Popen(WAITS, stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdout
        child.stdout.readline()
        found = variable(child.pid, "A"), variable(child.pid, "B")
        child.kill()
    assert found == ("one two", "")


def test_what_cannot_be_read_is_empty() -> None:
    assert variable(0, "A") == ""


def test_the_pid_namespace_has_a_name() -> None:
    assert namespace().startswith("pid:")


def test_the_output_of_ps_is_read_where_there_is_no_proc() -> None:
    table = parse(
        "    1     0     1 Ss   Wed Nov 20 22:31:07 2026\n"
        "  612     1   612 Z+   Wed Nov 20 22:31:09 2026\n"
    )
    assert table[1].started == "Wed Nov 20 22:31:07 2026"
    assert (table[612].parent, table[612].group, table[612].zombie) == (1, 612, True)
    assert [each.pid for each in descendants(table, 1)] == [612]
