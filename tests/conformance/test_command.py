"""The command: what it prints, writes and returns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.__main__ import main
from tests.conformance.recorded import DATA, scenarios
from tests.conformance.stage import outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def write(path: Path, *lines: Any) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return str(path)


def test_from_the_shell_all_pass_and_what_was_observed_is_written(tmp_path: Path) -> None:
    some, out = scenarios("proc")[:3], tmp_path / "observed.jsonl"
    path = write(tmp_path / "some.jsonl", *some)
    command = [
        sys.executable,
        "-m",
        "tests.conformance",
        "proc",
        path,
        path,
        "--observed",
        str(out),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "6 passed, 0 failed\n", "")
    written = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [line["id"] for line in written] == [one["id"] for one in some] * 2
    assert [len(line["trace"]) for line in written] == [len(one["trace"]) for one in some] * 2


def test_a_failure_is_told_with_id_step_and_both_sides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = scenarios("proc")[:2]
    bad["trace"][2]["alive"] = ["nobody"]
    path = write(tmp_path / "some.jsonl", good, bad)
    assert main(["proc", path, "--scheduler", "simulation"]) == 1
    assert capsys.readouterr().out == (
        'proc-1:\n  step 2, alive:\n    expected ["nobody"]\n    came     ["p1","p2"]\n'
        "1 passed, 1 failed\n"
    )


def test_a_scenario_that_makes_no_sense_is_a_failure_with_its_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = scenarios("proc")[0]
    path = write(tmp_path / "some.jsonl", {**good, "id": "odd", "steps": [{"by": "p0"}]}, good)
    assert main(["proc", path, "--scheduler", "simulation"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("odd:\n")
    assert "step 0" in out
    assert "Traceback" in out
    assert out.endswith("1 passed, 1 failed\n")


def test_a_scenario_without_a_trace_is_played_and_counts_as_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = scenarios("proc")[0]
    bare = {key: value for key, value in whole.items() if key != "trace"}
    out = tmp_path / "observed.jsonl"
    path = write(tmp_path / "some.jsonl", bare)
    assert main(["proc", path, "--scheduler", "simulation", "--observed", str(out)]) == 1
    assert capsys.readouterr().out.endswith("0 passed, 1 failed\n")
    assert len(json.loads(out.read_text("utf-8"))["trace"]) == len(whole["trace"])


def test_a_trace_that_is_not_of_the_format_is_a_failure_and_the_others_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = scenarios("proc")[0]
    odd = {**good, "id": "odd", "trace": [{"alive": []}]}
    path = write(tmp_path / "some.jsonl", odd, good)
    assert main(["proc", path, "--scheduler", "simulation"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("odd: its trace is not of the format")
    assert out.endswith("1 passed, 1 failed\n")


def test_an_id_may_be_any_value_and_is_written_as_it_came(tmp_path: Path) -> None:
    good = scenarios("proc")[0]
    ids = [17, None, ["a", {"b": 1}], "ä\n", 17]
    out = tmp_path / "observed.jsonl"
    path = write(tmp_path / "some.jsonl", *({**good, "id": each} for each in ids))
    assert main(["proc", path, "--scheduler", "simulation", "--observed", str(out)]) == 0
    assert [json.loads(line)["id"] for line in out.read_text("utf-8").splitlines()] == ids


@pytest.mark.parametrize("text", [b"", b"\n \n"])
def test_a_file_without_scenarios_passes(
    text: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.jsonl"
    path.write_bytes(text)
    assert main(["proc", str(path)]) == 0
    assert capsys.readouterr().out == "0 passed, 0 failed\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", ":1: no JSON"),
        (b"\n\xff\n", ":2: no JSON"),
        (b"[1]", ":1: no scenario"),
        (b'{"steps": []}', ":1: no scenario"),
        (b'{"id": 1, "trace": [1]}', ":1: a trace that is no list of objects"),
        (None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_line(
    text: bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "some.jsonl"
    if text is not None:
        path.write_bytes(text)
    assert main(["proc", str(path)]) == 2
    err = capsys.readouterr().err
    assert str(path) in err
    assert message in err


@pytest.mark.parametrize(
    "arguments", [[], ["proc"], ["else", "x"], ["proc", "x", "--scheduler", "else"]]
)
def test_wrong_use_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_scenario_that_hangs_is_a_failure_and_the_others_are_played() -> None:
    over = Event()

    def play(scenario: Any, _node: Any) -> Iterator[dict[str, Any]]:
        yield {}
        if scenario["id"] == "hangs":
            over.wait()

    found = outcomes(play, [{"id": "hangs"}, {"id": "ends"}], "pool", limit=0.5)
    ends, hangs = sorted(found, key=lambda one: one.id)
    over.set()
    assert (ends.id, ends.error) == ("ends", "")
    assert hangs.trace == [{}]
    assert "did not end within 0.5 s" in hangs.error
    assert "over.wait()" in hangs.error


def test_every_recorded_file_is_there_whole() -> None:
    counts = {path.stem: len(scenarios(path.stem)) for path in DATA.iterdir()}
    assert counts == {"supervisor": 300, "statem": 150, "ets": 200, "proc": 100}
