"""What the log says of a job."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from beam.cli.job import Job
from beam.model import Event

numbers = itertools.count(1)


def event(kind: Any, run: str | None = None, *, at: int = 1000, **data: Any) -> Event:
    return Event(
        id=f"e{next(numbers)}", type=kind, session_id="s", timestamp=at, run_id=run, data=data
    )


def accepted(task: str) -> Event:
    return event("task_accepted", task_id=task, prompt="p", backend=None, metadata={})


def submitted(run: str, task: str) -> Event:
    return event("run_submitted", run, metadata={"task_id": task})


def folded(*events: Event) -> Job:
    job = Job()
    for one in events:
        job.take(one)
    return job


def test_an_answer_is_told_with_all_its_facts() -> None:
    job = folded(
        event("session_started", backend="echo"),
        accepted("a"),
        submitted("r", "a"),
        event("run_started", "r", at=1_000),
        event("run_completed", "r", at=2_500, output={"n": 1}),
    )
    assert job.tasks["a"].line() == {
        "id": "a",
        "status": "answered",
        "answer": {"n": 1},
        "backend": "echo",
        "session_id": "s",
        "attempts": 1,
        "started_at": "1970-01-01T00:00:01.000+00:00",
        "ended_at": "1970-01-01T00:00:02.500+00:00",
    }


def test_an_attempt_that_an_experiment_ended_is_not_charged() -> None:
    job = folded(
        accepted("a"),
        submitted("r", "a"),
        event("run_started", "r"),
        event("fault_injected", "r"),
        event("run_retried", "r", injected=True),
        event("run_started", "r"),
        event("run_retried", "r", injected=False),
        event("run_started", "r"),
    )
    task = job.tasks["a"]
    assert (task.attempts, task.charged, job.faults, job.retries) == (3, 1, 1, 2)


def test_an_attempt_that_the_end_of_the_whole_process_cut_is_not_charged() -> None:
    job = folded(accepted("a"), *[submitted("r", "a"), event("run_started", "r")] * 3)
    assert (job.tasks["a"].attempts, job.tasks["a"].charged) == (3, 0)


def test_a_second_answer_is_counted_and_changes_nothing() -> None:
    first = [accepted("a"), submitted("r", "a"), event("run_completed", "r", output="one")]
    job = folded(*first, submitted("q", "a"), event("run_completed", "q", output="two"))
    assert (job.tasks["a"].answer, job.duplicated, job.answered) == ("one", 1, 1)


def test_a_task_that_was_given_up_stays_so() -> None:
    job = folded(accepted("a"), event("task_failed", task_id="a", reason="tired"), accepted("a"))
    assert (job.tasks["a"].status, job.tasks["a"].line()["reason"]) == ("failed", "tired")


@given(st.lists(st.sampled_from(["a", "b", "c"]), unique=True), st.data())
def test_whatever_happens_every_task_is_open_answered_or_failed(
    tasks: list[str], data: st.DataObject
) -> None:
    job = folded(*map(accepted, tasks))
    kinds = st.sampled_from(["run_submitted", "run_started", "run_completed", "run_failed",
                             "fault_injected", "task_failed"])  # fmt: skip
    for kind in data.draw(st.lists(kinds, max_size=20)):
        task = data.draw(st.sampled_from([*tasks, "unknown"]))
        details = {"metadata": {"task_id": task}, "task_id": task, "reason": "r", "output": "o"}
        job.take(event(kind, f"run-{task}", **details))
    assert job.answered + job.failed + job.left == len(tasks)
