"""Child specifications, and a supervisor's flags."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import pytest

from beam.errors import InvalidInput, InvalidSpec
from beam.otp import ChildSpec, Server, Supervisor, child, supervisor
from beam.otp.child import checked, checked_all
from beam.otp.flags import Flags
from tests.names import shown


class Cache(Server):
    def init(self, size: int = 1, *, colour: str = "red") -> None:
        self.size, self.colour = size, colour


def test_a_child_is_named_after_its_class_unless_it_is_named() -> None:
    assert child(Cache).id == "Cache"
    assert child(Cache, id=("cache", 2)).id == ("cache", 2)


def test_the_defaults_are_those_of_otp() -> None:
    spec = child(Cache)
    assert (spec.restart, spec.shutdown, spec.type, spec.significant) == (
        "permanent",
        5.0,
        "worker",
        False,
    )
    assert spec.modules == (Cache,)


def test_a_supervisor_as_a_child_is_one_and_has_all_the_time_it_needs_to_end() -> None:
    for spec in (supervisor([]), child(Supervisor, [])):
        assert (spec.type, spec.shutdown) == ("supervisor", None)


def test_what_is_no_option_goes_to_init() -> None:
    spec = child(Cache, 5, colour="blue", name="cache")
    assert (spec.args, spec.kwargs, spec.name) == ((5,), {"colour": "blue"}, "cache")


def test_a_spec_is_a_frozen_value() -> None:
    spec = child(Cache, 5)
    assert spec == child(Cache, 5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.restart = "transient"  # type: ignore[misc]  # what is tested


def test_a_spec_does_not_change_with_what_it_was_made_of() -> None:
    kwargs = {"colour": "blue"}
    spec = ChildSpec("cache", Cache, [1], kwargs)  # type: ignore[arg-type]  # a list will do
    kwargs["colour"] = "green"
    assert (spec.args, spec.kwargs) == ((1,), {"colour": "blue"})


def odd(**change: Any) -> dict[str, Any]:
    return {"id": "a", "start": Cache, **change}


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"id": []}, "id", ("invalid_id", [])),
        ({"start": "go"}, "start", ("invalid_mfa", "go")),
        ({"args": "ab"}, "args", ("invalid_mfa", "ab")),
        ({"kwargs": [1]}, "kwargs", ("invalid_mfa", [1])),
        ({"timeout": 0}, "timeout", ("invalid_mfa", 0)),
        ({"start": len, "name": "x"}, "name", ("invalid_mfa", "x")),
        ({"restart": "never"}, "restart", ("invalid_restart_type", "never")),
        ({"significant": "yes"}, "significant", ("invalid_significant", "yes")),
        ({"significant": 1}, "significant", ("invalid_significant", 1)),
        ({"type": "thing"}, "type", ("invalid_child_type", "thing")),
        ({"shutdown": "kill"}, "shutdown", ("invalid_shutdown", "kill")),
        ({"shutdown": -1}, "shutdown", ("invalid_shutdown", -1)),
        ({"shutdown": True}, "shutdown", ("invalid_shutdown", True)),
        ({"modules": 3}, "modules", ("invalid_modules", 3)),
        ({"modules": [3]}, "modules", ("invalid_module", 3)),
    ],
)
def test_a_wrong_field_is_refused_by_name_and_with_otps_term(
    change: dict[str, Any], field: str, reason: Any
) -> None:
    for make in (lambda: ChildSpec(**odd(**change)), lambda: checked(odd(**change))):
        with pytest.raises(InvalidSpec) as caught:
            make()
        assert (caught.value.field, caught.value.reason) == (field, reason)


def test_the_first_wrong_field_in_otps_order_is_the_one_that_is_refused() -> None:
    with pytest.raises(InvalidSpec) as caught:
        ChildSpec(**odd(shutdown="soon", restart="never", type="thing"))
    assert caught.value.field == "restart"


def test_an_infinite_shutdown_is_written_none() -> None:
    with pytest.raises(InvalidSpec):
        child(Cache, shutdown=float("inf"))
    assert child(Cache, shutdown=None).shutdown is None


def test_a_function_without_a_name_needs_an_id() -> None:
    with pytest.raises(InvalidSpec) as caught:
        child(partial(len, "x"))
    assert caught.value.reason == "missing_id"
    assert child(partial(len, "x"), id="len").id == "len"


def test_modules_are_for_tools_and_may_be_dynamic() -> None:
    assert ChildSpec("a", Cache, modules="dynamic").modules == "dynamic"
    assert ChildSpec("a", Cache, modules=["cache"]).modules == ("cache",)  # type: ignore[arg-type]


@pytest.mark.parametrize("children", [17, "ab", {"id": "a"}], ids=shown)
def test_children_are_a_list(children: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        checked_all(children)
    assert caught.value.reason == ("badarg", children)


def test_a_mapping_will_do_as_a_specification() -> None:
    assert checked(odd(restart="transient")) == ChildSpec("a", Cache, restart="transient")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"start": Cache}, "missing_id"),
        ({"id": "a"}, "missing_start"),
        (17, ("invalid_child_spec", 17)),
    ],
)
def test_what_is_no_specification_is_refused(spec: Any, reason: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        checked(spec)
    assert caught.value.reason == reason


def test_an_unknown_field_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InvalidSpec, match="only the fields id, start, args") as caught:
        checked(odd(restarts=3))
    assert caught.value.value == "restarts"


def test_ids_differ() -> None:
    with pytest.raises(InvalidSpec) as caught:
        checked_all([child(Cache), child(Cache)])
    assert caught.value.reason == ("duplicate_child_name", "Cache")


@pytest.mark.parametrize(
    ("auto_shutdown", "restart", "combination"),
    [
        ("never", "transient", [("auto_shutdown", "never"), ("significant", True)]),
        ("never", "permanent", [("auto_shutdown", "never"), ("significant", True)]),
        ("any_significant", "permanent", [("restart", "permanent"), ("significant", True)]),
    ],
)
def test_a_significant_child_must_be_able_to_matter(
    auto_shutdown: str, restart: Any, combination: Any
) -> None:
    spec = child(Cache, restart=restart, significant=True)
    with pytest.raises(InvalidSpec) as caught:
        checked(spec, auto_shutdown)
    assert caught.value.reason == ("bad_combination", combination)


@pytest.mark.parametrize(
    ("flag", "value", "term"),
    [
        ("strategy", "two_for_one", "invalid_strategy"),
        ("max_restarts", -1, "invalid_intensity"),
        ("max_restarts", 1.5, "invalid_intensity"),
        ("max_seconds", 0, "invalid_period"),
        ("auto_shutdown", "always", "invalid_auto_shutdown"),
    ],
)
def test_a_wrong_flag_is_refused_by_name_and_with_otps_term(
    flag: str, value: Any, term: str
) -> None:
    for make in (
        lambda: Flags(**{flag: value}),
        lambda: supervisor([], **{flag: value}),
        lambda: Supervisor.start([], **{flag: value}),
    ):
        with pytest.raises(InvalidInput) as caught:
            make()
        assert caught.value.field == flag
        assert caught.value.reason == ("supervisor_data", (term, value))


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(TypeError, match="max_restart"):
        Supervisor.start([], max_restart=3)


def test_nested_specifications_are_checked_when_they_are_made() -> None:
    with pytest.raises(InvalidSpec) as caught:
        supervisor([child(Cache), child(Cache)])
    assert caught.value.reason == ("start_spec", ("duplicate_child_name", "Cache"))


def test_the_repr_of_a_spec_says_what_it_is_made_of() -> None:
    assert "id='Cache'" in repr(child(Cache, 5))
