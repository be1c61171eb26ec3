"""`beam run`: every task ends in exactly one line of the output."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.command_line import ROOT, CommandLine

SHOUT = "function:my_agents:shout"
PROGRAM = """
import json
import sys

for line in sys.stdin:
    said = json.loads(line)
    if said["type"] == "hello":
        answer = {"type": "ready", "protocol": 1, "name": "echo"}
    elif said["type"] == "query":
        answer = {"type": "result", "query_id": said["id"], "content": said["prompt"]}
    else:
        continue
    print(json.dumps(answer), flush=True)
"""


def test_every_task_is_answered_in_one_line(beam: CommandLine) -> None:
    status, _, err = beam.run(beam.tasks(20), SHOUT, "--sessions", "3")
    assert status == 0, err
    lines = beam.lines()
    assert {line["id"]: line["answer"] for line in lines} == {
        f"t{n}": f"TASK {n}" for n in range(20)
    }
    assert len(lines) == 20
    assert set(lines[0]) == {
        "id", "status", "answer", "backend", "session_id", "attempts", "started_at", "ended_at",
    }  # fmt: skip


def test_a_second_run_on_the_same_store_runs_no_answered_task_again(beam: CommandLine) -> None:
    tasks = beam.tasks(10)
    beam.run(tasks, SHOUT)
    before = beam.out.read_bytes()
    status, _, err = beam.run(tasks, SHOUT)
    assert status == 0
    assert "10 of 10 tasks had ended before" in err
    assert beam.out.read_bytes() == before
    assert set(beam.answers().values()) == {1}


def test_a_torn_last_line_is_cut_and_missing_lines_are_written(beam: CommandLine) -> None:
    tasks = beam.tasks(5)
    beam.run(tasks, SHOUT)
    whole = beam.lines()
    text = beam.out.read_text(encoding="utf-8")
    beam.out.write_text(text[: len(text) // 2 + 7], encoding="utf-8")
    beam.run(tasks, SHOUT)
    assert sorted(line["id"] for line in beam.lines()) == sorted(line["id"] for line in whole)


def test_an_output_of_something_else_is_refused_and_not_touched(beam: CommandLine) -> None:
    beam.out.write_text("my diary\n", encoding="utf-8")
    status, _, err = beam.run(beam.tasks(1), SHOUT)
    assert (status, beam.out.read_text(encoding="utf-8")) == (2, "my diary\n")
    assert "--out" in err


def test_a_failing_task_ends_in_one_line_with_its_reason(beam: CommandLine) -> None:
    status, _, _ = beam.run(beam.tasks(2), "function:my_agents:stubborn", "--retries", "1")
    assert status == 1
    for line in beam.lines():
        assert line["status"] == "failed"
        assert "ValueError: never" in line["reason"]
        assert line["attempts"] == 2


def test_tasks_may_come_from_stdin_as_plain_lines(beam: CommandLine) -> None:
    words = ["run", "-", "--backend", SHOUT, "--store", str(beam.store), "--out", str(beam.out)]
    status, _, err = beam(*words, stdin="hello\n\nworld\n")
    assert status == 0, err
    assert sorted(line["answer"] for line in beam.lines()) == ["HELLO", "WORLD"]


def test_a_task_may_name_its_backend(beam: CommandLine) -> None:
    tasks = beam.folder / "two.jsonl"
    other = "function:my_agents:moody"
    lines = [
        {"id": "a", "prompt": "x", "backend": SHOUT},
        {"id": "b", "prompt": "x", "backend": other},
    ]
    tasks.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert beam.run(tasks, f"{SHOUT},{other}")[0] == 0
    assert {line["id"]: line["backend"] for line in beam.lines()} == {"a": SHOUT, "b": other}


@pytest.mark.parametrize("policy", ["round_robin", "failover", "sticky", "capability_first",
                                    "preferred_then_fallback", "explicit"])  # fmt: skip
def test_every_policy_answers_every_task(beam: CommandLine, policy: str) -> None:
    backends = f"{SHOUT},function:my_agents:moody"
    status, _, err = beam.run(beam.tasks(6), backends, "--route", policy, "--sessions", "2")
    assert status == 0, err
    assert len(beam.lines()) == 6


def test_chaos_loses_and_duplicates_nothing(beam: CommandLine) -> None:
    more = ["--chaos", "kill=0.5,seed=3", "--retries", "0", "--sessions", "4"]
    status, _, err = beam.run(beam.tasks(60), SHOUT, *more)
    assert status == 0, err
    assert sorted(line["id"] for line in beam.lines()) == sorted(f"t{n}" for n in range(60))
    assert set(beam.answers().values()) == {1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_within_the_budget_and_the_next_run_goes_on(
    beam: CommandLine, number: signal.Signals
) -> None:
    tasks = beam.tasks(30)
    words = beam.run_words(tasks, "function:my_agents:endless", "--drain", "0.2")
    with beam.start(*words) as process:
        assert beam.reach(process, 40)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 128 + number
    status, _, err = beam.run(tasks, SHOUT)
    assert status == 0, err
    assert len(beam.lines()) == 30


def bad_inputs(folder: Path) -> dict[str, tuple[list[str], str]]:
    """Return bad command lines, and what their one line says."""
    good = folder / "good.txt"
    good.write_text("hello\n", encoding="utf-8")
    twice = folder / "twice.jsonl"
    twice.write_text('{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}\n', encoding="utf-8")
    broken = folder / "broken.jsonl"
    broken.write_text("x\n" * 16 + '{"id": 17}\n', encoding="utf-8")
    stranger = folder / "stranger.jsonl"
    stranger.write_text('{"id": "a", "prompt": "x", "backend": "nobody"}\n', encoding="utf-8")
    (folder / "broken_agents.py").write_text("1 / 0\n", encoding="utf-8")
    foreign = folder / "foreign.db"
    foreign.write_text("not a log", encoding="utf-8")
    config = folder / "config.toml"
    config.write_text('[backends.a]\nfunction = "m:f"\nthread = 3\n', encoding="utf-8")
    run = ["run", str(good), "--store", str(folder / "s.db")]
    fine = ["--backend", SHOUT]
    return {
        "an unknown backend": ([*run, "--backend", "nobody"], "nobody"),
        "no such function": ([*run, "--backend", "function:my_agents:nothing"], "nothing"),
        "no such program": ([*run, "--backend", "command:no-such-program-here"], "no-such-program"),
        "no such file": (["run", str(folder / "no.txt"), *run[2:], *fine], "no.txt"),
        "a bad line": (["run", str(broken), *run[2:], *fine], "line 17"),
        "an id twice": (["run", str(twice), *run[2:], *fine], "'a'"),
        "an unknown option": ([*run, *fine, "--colour"], "--colour"),
        "an option in the wrong place": (["log", str(foreign), "--chaos", "kill=1"], "--chaos"),
        "a bad chaos": ([*run, *fine, "--chaos", "kill=often"], "--chaos"),
        "a bad number": ([*run, *fine, "--sessions", "0"], "--sessions"),
        "a foreign store": (["run", str(good), "--store", str(foreign), *fine], "foreign.db"),
        "an unknown key": ([*run, "--backend", "a", "--config", str(config)], "thread"),
        "an unknown backend of a task": (["run", str(stranger), *run[2:], *fine], "nobody"),
        "a module that fails": ([*run, "--backend", "function:broken_agents:f"], "ZeroDivision"),
        "an endless timeout": ([*run, *fine, "--timeout", "inf"], "--timeout"),
        "an output in no folder": ([*run, *fine, "--out", str(folder / "no" / "o")], "--out"),
        "an output that is a folder": ([*run, *fine, "--out", str(folder)], "--out"),
        "an output that is a device": ([*run, *fine, "--out", "/dev/null"], "--out"),
        "an output that is the store": ([*run, *fine, "--out", str(folder / "s.db")], "--out"),
        "a store in no folder": (
            ["run", str(good), "--store", str(folder / "no" / "s"), *fine],
            "no/s",
        ),
        "an unknown policy": ([*run, *fine, "--route", "best"], "route"),
    }


CASES = sorted(bad_inputs(Path("/tmp")))


@pytest.mark.parametrize("case", CASES)
def test_bad_input_gets_one_clear_line_and_status_2_before_any_work(
    beam: CommandLine, case: str
) -> None:
    words, said = bad_inputs(beam.folder)[case]
    status, out, err = beam(*words)
    assert status == 2, err
    assert said in err
    assert len(err.strip().splitlines()) == 1, err
    assert not out
    assert not (beam.folder / "s.db").exists()


def test_the_help_names_every_option(beam: CommandLine) -> None:
    status, out, _ = beam("run", "--help")
    assert status == 0
    for option in (
        "--backend",
        "--sessions",
        "--route",
        "--store",
        "--out",
        "--retries",
        "--chaos",
    ):
        assert option in out


def test_log_prints_events_filtered_as_text_and_as_json(beam: CommandLine) -> None:
    beam.run(beam.tasks(3), SHOUT)
    _, text, _ = beam("log", str(beam.store), "--type", "run_completed")
    assert len(text.splitlines()) == 3
    _, lines, _ = beam("log", str(beam.store), "--json", "--type", "task_accepted")
    assert [json.loads(line)["data"]["task_id"] for line in lines.splitlines()] == [
        "t0",
        "t1",
        "t2",
    ]


def test_log_follows_a_fleet_that_writes(beam: CommandLine) -> None:
    beam.run(beam.tasks(1), SHOUT)
    with beam.start("log", str(beam.store), "--follow", "--type", "run_completed") as follower:
        assert follower.stdout is not None
        assert "run_completed" in follower.stdout.readline()
        tasks = beam.folder / "more.txt"
        tasks.write_text("again\n", encoding="utf-8")
        beam("run", str(tasks), "--backend", SHOUT, "--store", str(beam.store))
        assert "AGAIN" in follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        follower.communicate(timeout=30)


def test_doctor_says_what_is_there(beam: CommandLine) -> None:
    _, out, _ = beam("doctor")
    for word in ("python", "sqlite", "pykka"):
        assert word in out


def test_the_demo_loses_and_duplicates_nothing(beam: CommandLine) -> None:
    ran = subprocess.run(
        ["python", "-m", "examples.demo"],
        cwd=ROOT,
        env={**beam.environment(), "TMPDIR": str(beam.folder)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    rows = {
        cells[0].strip(): cells[1].strip()
        for cells in (line.strip("│ ").split("│") for line in ran.stdout.splitlines())
        if len(cells) == 2
    }
    assert (rows["lost"], rows["duplicated"]) == ("0", "0")
    assert int(rows["restarts"]) > 0
    assert int(rows["answered"]) == int(rows["tasks"]) >= 200
    assert not beam.programs()


def test_agents_that_are_killed_again_and_again_by_an_experiment_use_up_no_budget(
    beam: CommandLine,
) -> None:
    program = beam.folder / "agent.py"
    program.write_text(PROGRAM, encoding="utf-8")
    more = ["--chaos", "kill=0.6,seed=5", "--retries", "0", "--sessions", "1"]
    status, _, err = beam.run(beam.tasks(20), f"command:python {program}", *more)
    assert status == 0, err
    assert {line["status"] for line in beam.lines()} == {"answered"}
    assert set(beam.answers().values()) == {1}
