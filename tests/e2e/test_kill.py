"""`kill -9` of `beam run` at random moments, each followed by the same command (G11, G12, G16)."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

from examples.survey.tasks import tasks as survey_tasks
from tests.e2e.command_line import ROOT, CommandLine
from tests.volume import STRESS

KILLS = 20 if STRESS else 3
TASKS = 240 if STRESS else 40
SEED = 20261120


def words(beam: CommandLine, todo: Path) -> list[str]:
    config = ROOT / "examples" / "survey" / "survey.toml"
    more = ["--config", str(config), "--sessions", "4", "--chaos", f"kill=0.1,seed={SEED}"]
    return beam.run_words(todo, "survey-program,survey-function", *more)


def test_kill_9_at_random_moments_loses_nothing_repeats_nothing_and_leaves_no_process(
    beam: CommandLine,
) -> None:
    todo = beam.folder / "tasks.jsonl"
    lines = [json.dumps(task) for task in survey_tasks(TASKS)]
    todo.write_text("\n".join(lines) + "\n", encoding="utf-8")
    chance = random.Random(SEED)
    for _ in range(KILLS):
        before = beam.position()
        moment = before + chance.randint(1, max(2, 12 * TASKS // KILLS))
        with beam.start(*words(beam, todo), cwd=ROOT) as process:
            beam.reach(process, moment)
            acknowledged = set(beam.answers()) if beam.position() else set()
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
        assert acknowledged <= set(beam.answers())
    with beam.start(*words(beam, todo), cwd=ROOT) as process:
        _, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    asked = {json.loads(line)["id"] for line in lines}
    written = [line["id"] for line in beam.lines()]
    assert set(written) == asked
    assert len(written) == len(asked)
    assert beam.answers() == dict.fromkeys(asked, 1)
    assert all(line["status"] == "answered" for line in beam.lines())
    assert not beam.programs()
