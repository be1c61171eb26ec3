"""`beam.testing.scripted` of a file: what was recorded is played, what cannot be is refused."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import pytest
import structlog

import beam
from beam.backends import function
from beam.backends.backend import WINDOW
from beam.backends.effects import Failed
from beam.errors import Interrupted, InvalidInput, NotSupported, RunFailed
from beam.model.exit_reasons import ExitReason
from beam.model.messages import ErrorMessage
from beam.testing import AgentError, Simulation, scripted
from tests.sessions.scripted import AT_ONCE, Scripted, fleet_of, kill, wait_for
from tests.testing.recordings import PATIENCE, essence, events_of, types_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from beam.backends.backend import Backend


@pytest.fixture(autouse=True)
def unlogged() -> Iterator[None]:
    """Keep the reports of crashes that are meant out of the output."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


# A conversation with everything in it


def shelf(title: str) -> str:
    """Say where a book is."""
    return f"{title} is on shelf 3"


def lend(method: str, params: Any, context: Any) -> Any:
    return beam.allow({"book": params["book"], "days": 14})


def librarian(prompt: str, query: Any) -> Iterator[str]:
    """Talk, use a tool, ask for permission, fail, or think without end."""
    match prompt:
        case "find":
            yield "let me see"
            yield query.call_tool("shelf", title="OTP in Action")
        case "lend":
            yield type(
                query.ask_permission("lend", {"book": "OTP in Action"}, why="asked")
            ).__name__
        case "fail":
            yield "well"
            raise ValueError("no such book")
        case "think":
            yield "hm"
            query.interrupted.wait(PATIENCE)
        case _:
            yield prompt.upper()


def visit(fleet: Any, **options: Any) -> Any:
    """Hold the conversation: a plain answer, a tool, a permission, a failure, an interrupt."""
    options = {"tools": [shelf], "permission_handler": lend, **options}
    session = fleet.start_session(**options)
    for prompt in ("hello", "find", "lend"):
        session.query(prompt).get(timeout=PATIENCE)
    with pytest.raises(RunFailed) as caught:
        session.query("fail").get(timeout=PATIENCE)
    assert caught.value.reason == "backend_error"
    run = session.submit("think")
    said = session.events(types=["message"], timeout=PATIENCE)
    next(one for one in said if one.data["message"].get("content") == "hm")
    session.interrupt(run)
    with pytest.raises(Interrupted):
        run.get(timeout=PATIENCE)
    session.query("bye").get(timeout=PATIENCE)
    return session


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The conversation, recorded."""
    return recording_of(tmp_path / "visit.jsonl", function(librarian))


def recording_of(path: Path, backend: Backend, **options: Any) -> Path:
    with beam.Fleet(backends={"live": backend}) as fleet:
        visit(fleet, record=path, **options)
    return path


def test_a_played_session_says_and_logs_what_the_recorded_did(file: Path, tmp_path: Path) -> None:
    again = recording_of(tmp_path / "again.jsonl", scripted(file))
    assert essence(events_of(again)) == essence(events_of(file))
    third = recording_of(tmp_path / "third.jsonl", scripted(str(again)))
    assert essence(events_of(third)) == essence(events_of(file))


def test_a_recording_plays_in_a_simulation_too(file: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    with Simulation(3) as sim, sim.fleet(backends={"played": scripted(file)}) as fleet:
        visit(fleet, record=again)
        assert sim.clock.now() < 1.0
    assert essence(events_of(again)) == essence(events_of(file))


def test_each_session_is_played_the_recording_from_its_beginning(file: Path) -> None:
    with fleet_of(scripted(file)) as fleet:
        sessions = [fleet.start_session() for _ in range(3)]
        answers = [one.query("hello").get(timeout=PATIENCE) for one in sessions]
    assert answers == ["HELLO"] * 3


def test_a_fleet_that_takes_a_session_up_goes_on_with_its_recording(
    file: Path, tmp_path: Path
) -> None:
    options = {"session_id": "s", "tools": [shelf], "permission_handler": lend}
    answers = []
    for prompt in ("hello", "find", "lend"):
        with fleet_of(scripted(file), tmp_path / "fleet.db") as fleet:
            answers.append(fleet.start_session(**options).query(prompt).get(timeout=PATIENCE))
    assert answers == ["HELLO", "OTP in Action is on shelf 3", "Allow"]


# What does not go as recorded


def failure_of(backend: Backend, *prompts: str, **options: Any) -> RunFailed:
    """Return what the last of the prompts fails with."""
    with fleet_of(backend) as fleet:
        session = fleet.start_session(**options)
        for prompt in prompts[:-1]:
            session.query(prompt).get(timeout=PATIENCE)
        with pytest.raises(RunFailed) as caught:
            session.query(prompts[-1]).get(timeout=PATIENCE)
        return caught.value


def test_another_prompt_than_the_recorded_fails_and_names_both(file: Path) -> None:
    error = failure_of(scripted(file), "good morning")
    assert error.reason == "unexpected_prompt"
    assert "'good morning'" in error.facts["detail"]
    assert "'hello'" in error.facts["detail"]
    assert error.facts["retryable"] is False


def test_a_prompt_may_be_another_if_that_is_wanted(file: Path) -> None:
    with fleet_of(scripted(file, strict=False)) as fleet:
        assert fleet.start_session().query("good morning").get(timeout=PATIENCE) == "HELLO"


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("decision", [beam.deny("no"), beam.allow()])
def test_another_decision_than_the_recorded_fails_the_run(
    file: Path, strict: bool, decision: Any
) -> None:
    options = {"tools": [shelf], "permission_handler": lambda *_: decision}
    error = failure_of(scripted(file, strict=strict), "hello", "find", "lend", **options)
    assert error.reason == "diverged"
    assert "lend" in error.facts["detail"]
    assert "'days': 14" in error.facts["detail"]


def test_another_result_of_a_tool_than_the_recorded_fails_the_run(file: Path) -> None:
    def shelf(title: str) -> str:
        return "nowhere"

    error = failure_of(scripted(file), "hello", "find", tools=[shelf])
    assert error.reason == "diverged"
    assert "'nowhere'" in error.facts["detail"]
    assert "'OTP in Action is on shelf 3'" in error.facts["detail"]
    with fleet_of(scripted(file, strict=False)) as fleet:
        session = fleet.start_session(tools=[shelf])
        session.query("hello").get(timeout=PATIENCE)
        answer = session.query("find").get(timeout=PATIENCE)
        assert answer == "OTP in Action is on shelf 3"
        results = [one.content for one in session.messages() if one.type == "tool_result"]
    assert results == ["nowhere"]


def test_a_run_more_than_was_recorded_fails(file: Path, tmp_path: Path) -> None:
    with fleet_of(scripted(file)) as fleet:
        session = visit(fleet)
        with pytest.raises(RunFailed) as caught:
            session.query("one more").get(timeout=PATIENCE)
    assert caught.value.reason == "recording_over"
    assert "6 runs" in caught.value.facts["detail"]


def test_after_a_run_that_failed_the_next_is_played(file: Path) -> None:
    with fleet_of(scripted(file)) as fleet:
        session = fleet.start_session(tools=[shelf])
        with pytest.raises(RunFailed):
            session.query("good morning").get(timeout=PATIENCE)
        assert session.query("find").get(timeout=PATIENCE) == "OTP in Action is on shelf 3"


def test_a_played_agent_cannot_be_steered(file: Path) -> None:
    with fleet_of(scripted(file)) as fleet, pytest.raises(NotSupported):
        fleet.start_session().steer("left")


# Time


def slow(turn: Any) -> str:
    """Take a minute, in three steps."""
    for word in ("one", "two", "three"):
        turn.wait(20.0)
        turn.say(word)
    if turn.prompt == "on":
        turn.wait(1e6)
    return "done"


@pytest.fixture
def minutes(tmp_path: Path) -> Path:
    """A run of a minute, and one whose time was over."""
    path = tmp_path / "slow.jsonl"
    with Simulation(1) as sim, sim.fleet(backends={"live": scripted(slow)}) as fleet:
        session = fleet.start_session(record=path)
        session.query("go").get()
        with pytest.raises(RunFailed):
            session.query("on").get()
    return path


@pytest.mark.parametrize(("speed", "seconds"), [(None, 0.0), (1, 60.0), (1.5, 40.0), (60, 1.0)])
def test_a_recording_is_played_as_fast_as_is_wanted(
    minutes: Path, speed: float | None, seconds: float
) -> None:
    backend = scripted(minutes, speed=speed)
    with Simulation(2) as sim, sim.fleet(backends={"played": backend}) as fleet:
        session = fleet.start_session()
        started = sim.clock.now()
        assert session.query("go").get() == "done"
        assert sim.clock.now() - started == pytest.approx(seconds, abs=0.05)


def test_a_run_whose_time_was_over_waits_for_its_time_again(minutes: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    with Simulation(2) as sim, sim.fleet(backends={"played": scripted(minutes)}) as fleet:
        session = fleet.start_session(record=again)
        session.query("go").get()
        with pytest.raises(RunFailed) as caught:
            session.query("on").get()
        assert caught.value.reason == "timeout"
        assert sim.clock.now() >= 120.0
    assert essence(events_of(again)) == essence(events_of(minutes))


def test_a_played_agent_waits_for_its_session(tmp_path: Path) -> None:
    words = [str(number) for number in range(5 * WINDOW)]

    def talker(prompt: str) -> Iterator[str]:
        yield from words

    path = tmp_path / "talk.jsonl"
    with fleet_of(function(talker)) as fleet:
        fleet.start_session(record=path).query("talk").get(timeout=PATIENCE)
    with fleet_of(scripted(path)) as fleet:
        session = fleet.start_session()
        said = [message.content for message in session.stream("talk") if message.type == "text"]
    assert [one for one in said if one in set(words)] == words[: len(said)]
    assert len(said) >= len(words) - 1


# Crashes


def ends(agent: Any, query: Any) -> None:
    """End in the way that the prompt says, at the first attempt."""
    agent.text(query, f"attempt {query.attempt}")
    if query.attempt > 1:
        agent.complete(query, "at last")
        return
    match query.prompt:
        case "exit":
            agent.end(3)
        case "give up":
            agent.give_up("protocol_error")
        case "throttled":
            exit = ExitReason("throttled", retry_after=0.01, status=429, detail="too many")
            told = ErrorMessage(content="too many")
            agent.say(Failed(query.query_id, "throttled", told, retryable=True, exit=exit))
        case "auth":
            exit = ExitReason("auth", status=401, detail="who are you?")
            told = ErrorMessage(content="who are you?", error_type="auth")
            agent.say(Failed(query.query_id, "auth", told, retryable=False, exit=exit))
        case "interrupted":
            agent.fail(query, "interrupted")


@pytest.mark.parametrize("prompt", ["exit", "give up", "throttled", "auth", "interrupted"])
@pytest.mark.parametrize("on_crash", ["retry", "interrupt"])
def test_an_agent_that_ended_badly_ends_so_again(
    tmp_path: Path, prompt: str, on_crash: str
) -> None:
    files = []
    for backend in (Scripted(ends), None):
        path = tmp_path / f"{len(files)}.jsonl"
        with fleet_of(backend or scripted(files[0])) as fleet:
            session = fleet.start_session(record=path, on_crash=on_crash, backoff=AT_ONCE)
            run = session.query(prompt)
            try:
                run.get(timeout=PATIENCE)
            except RunFailed:
                wait_for(
                    session,
                    "run_interrupted" if isinstance(run.error(), Interrupted) else "run_failed",
                )
            with pytest.raises(RunFailed):
                session.query("again", timeout=0.05).get(timeout=PATIENCE)
            session.stop()
        files.append(path)
    assert essence(events_of(files[1])) == essence(events_of(files[0]))


def test_a_run_that_is_retried_is_played_again(file: Path) -> None:
    with fleet_of(scripted(file)) as fleet:
        session = fleet.start_session(on_crash="retry", tools=[shelf], permission_handler=lend)
        session.query("hello").get(timeout=PATIENCE)
        for _ in range(3):
            run = session.submit("find")
            kill(fleet, session.id)
            assert run.get(timeout=PATIENCE) == "OTP in Action is on shelf 3"
            return


def test_what_a_crash_of_the_session_cut_is_not_played(tmp_path: Path) -> None:
    path = tmp_path / "crash.jsonl"

    def waits(agent: Any, query: Any) -> None:
        agent.text(query, f"attempt {query.attempt}")
        if query.attempt > 1:
            agent.complete(query, "at last")

    with fleet_of(Scripted(waits)) as fleet:
        session = fleet.start_session(record=path)
        retried = session.submit("wait", on_crash="retry")
        wait_for(session, "message")
        kill(fleet, session.id)
        assert retried.get(timeout=PATIENCE) == "at last"
        cut = session.submit("wait on")
        wait_for(session, "run_started", count=3)
        kill(fleet, session.id)
        with pytest.raises(Interrupted):
            cut.get(timeout=PATIENCE)
    assert "session_restarted" in types_of(path)
    with fleet_of(scripted(path)) as fleet:
        session = fleet.start_session()
        said = [message.content for message in session.stream("wait")]
        assert said == ["attempt 2", "at last"]
        with pytest.raises(Interrupted) as caught:
            session.query("wait on").get(timeout=PATIENCE)
    assert caught.value.reason == "interrupted"


# What is refused


def test_a_scripted_agent_that_fails_says_its_word_again(tmp_path: Path) -> None:
    def agent(turn: Any) -> str:
        raise AgentError("quota", retryable=True)

    path = tmp_path / "quota.jsonl"
    with fleet_of(scripted(agent)) as fleet, pytest.raises(RunFailed):
        fleet.start_session(record=path).query("go").get(timeout=PATIENCE)
    error = failure_of(scripted(path), "go")
    assert (error.reason, error.facts["retryable"]) == ("quota", True)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"type": "run_started"', '"type": "run_begun"', "line 3: Event.type"),
        ('"sequence": 3', '"sequence": 4', "line 3: sequence"),
        ('"session_id": "', '"session_id": "x', "line 2: session_id"),
        ('"schema_version": 1', '"schema_version": 99', "line 1: schema_version"),
        ('"type": "result"', '"type": "outcome"', "line 4: type"),
        ('{"position": 3', "oops", "line 3: JSON"),
        ('"run_submitted"', '"audit"', "line 3: run_id"),
        ('"message": {', '"massage": {', "line 4: data"),
    ],
)
def test_a_damaged_recording_is_refused_with_the_line_and_the_field(
    tmp_path: Path, old: str, new: str, field: str
) -> None:
    path = tmp_path / "hello.jsonl"
    with fleet_of(Scripted(lambda agent, query: agent.complete(query))) as fleet:
        fleet.start_session(record=path).query("hello").get(timeout=PATIENCE)
    lines = path.read_text("utf-8").splitlines()
    number = int(field.split()[1].removesuffix(":")) - 1
    for at, line in enumerate(lines):
        if old in line and (at == number or old == '"run_submitted"'):
            lines[at] = line.replace(old, new, 1)
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(InvalidInput) as caught:
        scripted(path)
    assert caught.value.field == field


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    torn = tmp_path / "torn.jsonl"
    torn.write_text('{"position": 1, "id": "evt', "utf-8")
    for path, field in ((torn, "line 1: JSON"), (tmp_path, "path"), (tmp_path / "none", "path")):
        with pytest.raises(InvalidInput) as caught:
            scripted(path)
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("strict", 1),
        *[("speed", value) for value in (0, -1, "fast", True, math.nan, math.inf)],
    ],
)
def test_an_option_that_is_not_what_it_must_be_is_refused(
    file: Path, field: str, value: Any
) -> None:
    with pytest.raises(InvalidInput) as caught:
        scripted(file, **{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize(("field", "value"), [("strict", False), ("speed", 2.0)])
def test_a_function_takes_no_option_of_recordings(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        scripted(lambda turn: "", **{field: value})
    assert caught.value.field == field


def test_what_is_neither_a_function_nor_a_path_is_refused() -> None:
    nonsense: Any = 3
    with pytest.raises(InvalidInput):
        scripted(nonsense)
