"""`beam run` where its surroundings are not as one would wish: terminals, signals, endings."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.command_line import CommandLine

SHOUT = "function:my_agents:shout"
ENDLESS = "function:my_agents:endless"


def on_terminal(beam: CommandLine, *words: str) -> tuple[int, str]:
    """Run it with a terminal for stderr: the status, and what the terminal got."""
    ours, theirs = pty.openpty()
    (beam.folder / "my_agents.py").write_text(
        "def shout(prompt):\n    return prompt.upper()\n", encoding="utf-8"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "beam", *words],
        cwd=beam.folder,
        env={**beam.environment(), "TERM": "xterm", "COLUMNS": "150"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
    os.close(ours)
    return process.returncode, seen.decode()


def of(beam: CommandLine, lines: list[dict[str, str]]) -> Path:
    path = beam.folder / "tasks.jsonl"
    path.write_text("".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in lines), "utf-8")
    return path


def test_ids_that_look_like_markup_or_move_the_cursor_do_no_harm_to_the_table(
    beam: CommandLine,
) -> None:
    tasks = of(beam, [{"id": "[/b]", "prompt": "x"}, {"id": "\x1b[2J\n", "prompt": "y"}])
    status, seen = on_terminal(beam, *beam.run_words(tasks, SHOUT))
    assert status == 0, seen
    assert "answered 2" in seen
    assert "\x1b[2J" not in seen
    assert len(beam.lines()) == 2


def test_separators_of_unicode_in_a_json_line_do_not_end_it(beam: CommandLine) -> None:
    tasks = of(beam, [{"id": "a", "prompt": "x\u2028y\x85z"}])
    tasks.write_bytes(b"\xef\xbb\xbf" + tasks.read_bytes())
    status, _, err = beam.run(tasks, SHOUT)
    assert status == 0, err
    assert [line["answer"] for line in beam.lines()] == ["X\u2028Y\x85Z"]


def test_a_closed_stdin_gets_one_clear_line(beam: CommandLine) -> None:
    words = " ".join(["-m", "beam", *beam.run_words(Path("-"), SHOUT)])
    (beam.folder / "my_agents.py").write_text("def shout(p):\n    return p\n", encoding="utf-8")
    ran = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} {words} <&-"],
        cwd=beam.folder, env=beam.environment(), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1), ran.stderr
    assert "stdin" in ran.stderr


def test_a_stderr_that_nobody_reads_does_not_end_the_work(beam: CommandLine) -> None:
    with beam.start(*beam.run_words(beam.tasks(20), SHOUT)) as process:
        assert process.stderr is not None
        process.stderr.close()
        process.stderr = None
        process.communicate(timeout=60)
    assert len(beam.lines()) == 20


def test_a_function_that_never_ends_is_cut_by_its_timeout(beam: CommandLine) -> None:
    more = ["--timeout", "0.2", "--retries", "0"]
    status, _, err = beam.run(beam.tasks(2), "function:my_agents:forever", *more)
    assert status == 1, err
    assert [line["reason"] for line in beam.lines()] == ["timeout", "timeout"]


def test_a_program_that_ends_at_once_fails_every_task_with_its_reason(beam: CommandLine) -> None:
    status, _, err = beam.run(beam.tasks(3), "command:false", "--sessions", "3")
    assert status == 1, err
    assert sorted(line["id"] for line in beam.lines()) == ["t0", "t1", "t2"]
    assert all("quarantined" in line["reason"] for line in beam.lines())


def test_a_second_run_at_once_on_the_same_store_names_the_first(beam: CommandLine) -> None:
    tasks = beam.tasks(3)
    with beam.start(*beam.run_words(tasks, ENDLESS, "--drain", "0.1")) as first:
        assert beam.reach(first, 5)
        status, _, err = beam.run(tasks, SHOUT)
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=60)
    assert status == 2
    assert (str(first.pid) in err, len(err.splitlines())) == (True, 1), err


def test_a_second_signal_ends_it_at_once(beam: CommandLine) -> None:
    with beam.start(*beam.run_words(beam.tasks(3), ENDLESS, "--drain", "100")) as process:
        assert beam.reach(process, 8)
        # Two of one kind that are sent at once may arrive as one.
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode in (128 + signal.SIGTERM, 128 + signal.SIGINT), err
    assert "Traceback" not in err


def test_the_progress_counts_the_tasks_of_this_run_only(beam: CommandLine) -> None:
    beam.run(beam.tasks(5), SHOUT)
    (beam.folder / "more.txt").write_text("hello\n", encoding="utf-8")
    _, _, err = beam.run(beam.folder / "more.txt", SHOUT)
    assert "tasks 1, answered 1, failed 0, left 0" in err


def test_a_log_whose_reader_has_gone_ends_in_silence(beam: CommandLine) -> None:
    beam.run(beam.tasks(300), SHOUT)
    with beam.start("log", str(beam.store)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
