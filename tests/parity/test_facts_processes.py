"""Facts 52, 54, 60 and 77: owners of tables, monitors, permissions that nobody gave, telemetry."""

import pytest

from beam import telemetry
from beam.backends.backend import PermissionAnswer, Query
from beam.model.permissions import Deny
from beam.otp import Down, Mailbox, monitor, spawn
from tests.sessions.scripted import PATIENCE, kill


def test_fact_52_the_death_of_an_owner_passes_its_table_on_with_the_data(fleet):
    fleet.control.set_config("s", "n", 1)
    table = fleet.node.tables["control"]
    kill(fleet, "control")
    assert fleet.node.tables["control"] is table
    assert fleet.control.get_config("s", "n") == 1
    fleet.control.set_config("s", "n", 2)
    assert fleet.control.get_config("s", "n") == 2


def test_fact_54_a_monitor_of_one_that_is_dead_already_hears_so(fleet):
    with fleet.node.entered(), Mailbox() as me:
        process = spawn(lambda: None)
        assert process.actor_stopped.wait(PATIENCE)
        monitor(process)
        down = me.receive(timeout=PATIENCE)
    assert isinstance(down, Down)
    assert (down.process, down.reason) == (process, "noproc")


@pytest.mark.parametrize("options", [{}, {"permission_handler": lambda *_: 1 / 0}])
def test_fact_60_without_a_handler_or_with_one_that_crashes_it_is_denied(fleet, backend, options):
    session = fleet.start_session(**options)
    session.query("Hello")
    agent = backend.agent(session)
    agent.permission(agent.hear(Query), "p")
    assert isinstance(agent.hear(PermissionAnswer).decision, Deny)


def test_fact_77_the_states_of_runs_and_steps_are_told(fleet):
    heard = []
    ends = [
        telemetry.attach((what,), lambda event, _, about: heard.append((event[0], about)))
        for what in ("run", "step")
    ]
    try:
        run = fleet.runs.start_run("s")
        fleet.runs.start_step(run.run_id)
        fleet.runs.cancel_run(run.run_id)
    finally:
        for end in ends:
            end()
    told = [(what, about["from_state"], about["to_state"]) for what, about in heard]
    assert told == [
        ("run", "created", "running"),
        ("step", "created", "running"),
        ("step", "running", "cancelled"),
        ("run", "running", "cancelled"),
    ]
    assert {about["run_id"] for _, about in heard} == {run.run_id}
