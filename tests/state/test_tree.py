"""`beam.state.tree`: the owners come up together, under their names."""

from tests.state.running import PATIENCE, running

NAMES = ("keeper", "runtime", "control", "runs", "store")


def test_each_is_registered_under_its_fixed_name():
    with running() as state:
        assert all(state.node.whereis(name) for name in NAMES)


def test_a_kill_of_any_of_them_touches_no_other():
    with running() as state:
        for name in NAMES:
            others = {other: state.node.whereis(other) for other in NAMES if other != name}
            state.kill(name)
            assert {other: state.node.whereis(other) for other in others} == others


def test_they_end_together_and_leave_no_process():
    with running() as state:
        state.tree.stop(timeout=PATIENCE)
        assert [state.node.whereis(name) for name in NAMES] == [None] * len(NAMES)
        assert state.node.tables == {}
