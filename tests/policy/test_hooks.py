"""`beam.policy.hooks`: which are called, in which order, and what comes of it."""

import pytest

from beam.errors import InvalidInput
from beam.model.permissions import deny
from beam.policy import HookChain, HookRegistry, hook
from beam.policy.hooks import BLOCKING


def crash(context):
    raise RuntimeError("no")


def chain(*hooks):
    return HookChain(None, hooks)


def noting(name, said):
    return lambda context: said.append((name, dict(context)))


def test_fact_55_hooks_are_called_in_the_order_of_registration():
    said = []
    every = [hook("stop", noting(name, said)) for name in "abc"]
    chain(*every).fire("stop", {})
    assert [name for name, _ in said] == ["a", "b", "c"]


@pytest.mark.parametrize("event", ["post_tool_use", "stop", "session_start", "session_end"])
def test_fact_55_a_deny_of_what_is_only_told_is_ignored(event):
    said = []
    fired = chain(hook(event, lambda _: deny("no")), hook(event, noting("b", said))).fire(event, {})
    assert (fired.decision, len(said)) == ("allow", 1)


@pytest.mark.parametrize("event", sorted(BLOCKING))
def test_fact_55_the_first_deny_wins(event):
    said = []
    fired = chain(
        hook(event, lambda _: ("deny", "first")),
        hook(event, lambda _: ("deny", "second")),
        hook(event, noting("c", said)),
    ).fire(event, {})
    assert (fired.decision, fired.reason, said) == ("deny", "first", [])


def test_fact_56_a_hook_sees_the_context_as_the_one_before_it_left_it():
    said = []
    fired = chain(
        hook("stop", lambda context: {**context, "n": context["n"] + 1}),
        hook("stop", noting("b", said)),
        hook("stop", lambda context: ("ok", {**context, "m": 7})),
    ).fire("stop", {"n": 1})
    assert said == [("b", {"n": 2})]
    assert fired.context == {"n": 2, "m": 7}


def test_fact_56_an_ask_stops_later_hooks():
    said = []
    one = hook("permission_request", lambda _: ("ask", "really?"))
    fired = chain(one, hook("permission_request", noting("b", said))).fire("permission_request", {})
    assert (fired.decision, fired.reason, said) == ("ask", "really?", [])


@pytest.mark.parametrize("event", sorted(BLOCKING))
def test_fact_56_a_crash_denies_where_it_could_have_denied(event):
    fired = chain(hook(event, crash)).fire(event, {"n": 1})
    assert fired.decision == "deny"
    assert "RuntimeError" in fired.reason


def test_fact_56_a_crash_elsewhere_passes_the_context_on():
    said = []
    fired = chain(hook("stop", crash), hook("stop", noting("b", said))).fire("stop", {"n": 1})
    assert (fired.decision, said) == ("allow", [("b", {"n": 1})])


def test_what_a_hook_does_to_its_context_is_its_own():
    fired = chain(hook("stop", lambda context: context.clear())).fire("stop", {"n": 1})
    assert fired.context == {"n": 1}


@pytest.mark.parametrize("said", [None, "yes", 7, True, ("what", "ever"), ()])
def test_an_answer_of_no_meaning_changes_nothing(said):
    fired = chain(hook("pre_tool_use", lambda _: said)).fire("pre_tool_use", {"n": 1})
    assert (fired.decision, fired.context) == ("allow", {"n": 1})


def test_a_coroutine_where_a_plain_function_is_wanted_denies():
    async def later():
        return None

    fired = chain(hook("pre_tool_use", lambda _: later())).fire("pre_tool_use", {})
    assert fired.decision == "deny"


def test_the_name_of_a_tool_is_searched_anywhere():
    one = hook("pre_tool_use", lambda _: deny(), tool_name="file")
    fire = chain(one).fire
    assert fire("pre_tool_use", {"tool_name": "write_file"}).decision == "deny"
    assert fire("pre_tool_use", {"tool_name": "look"}).decision == "allow"
    assert fire("pre_tool_use", {}).decision == "allow"


def test_the_fleets_hooks_come_before_the_sessions():
    said, registry = [], HookRegistry()
    both = HookChain(registry, [hook("stop", noting("own", said))])
    fleets = hook("stop", noting("fleet", said))
    for _ in range(2):
        registry.register(fleets)
    both.fire("stop", {})
    assert [name for name, _ in said] == ["fleet", "own"]
    for _ in range(2):
        registry.unregister(fleets)
    assert registry.hooks() == ()


def test_what_is_no_hook_is_refused_when_it_is_made():
    async def later(context):
        return None

    for event, function, tool_name in (
        ("lunch", print, None),
        ("stop", 7, None),
        ("stop", later, None),
        ("stop", print, "("),
        ("stop", print, 7),
    ):
        with pytest.raises(InvalidInput):
            hook(event, function, tool_name=tool_name)
    with pytest.raises(InvalidInput):
        HookRegistry().register(print)
