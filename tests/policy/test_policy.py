"""`beam.policy`: what a profile says about an action."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.model.encoding import decode, encode
from beam.policy import Match, Profile, Rule, evaluate, parse_match, unknown_profile


def profile(*rules, **fields):
    return Profile.of({"profile_id": "p", "rules": list(rules), **fields}, at=1)


def test_no_profile_allows_and_an_unknown_one_denies():
    assert evaluate(None, "command", {}).allowed
    verdict = unknown_profile("gone")
    assert (verdict.allowed, verdict.profile_id) == (False, "gone")


def test_a_deny_wins_over_an_allow_wherever_it_stands():
    rules = ({"decision": "deny", "reason": "no"}, {"decision": "allow"})
    for order in (rules, rules[::-1]):
        assert evaluate(profile(*order), "command", {}).reason == "no"


def test_the_first_deny_gives_the_reason():
    careful = profile({"reason": "first"}, {"reason": "second"})
    assert evaluate(careful, "command", {}).reason == "first"


def test_where_no_rule_matches_the_default_counts():
    other = {"action": "backend", "decision": "deny"}
    assert evaluate(profile(other), "command", {}).allowed
    assert not evaluate(profile(other, default="deny"), "command", {}).allowed


def test_an_allow_is_enough_where_the_default_denies():
    careful = profile({"action": "command", "decision": "allow"}, default="deny")
    assert evaluate(careful, "command", {}).allowed
    assert not evaluate(careful, "backend", {}).allowed


@pytest.mark.parametrize(
    ("match", "context", "holds"),
    [
        ("*", {}, True),
        (("exists", "a"), {"a": None}, True),
        (("exists", ["a", "b"]), {"a": {}}, False),
        (("exists", ["a", "b"]), {"a": 1}, False),
        (("eq", "a", 1), {"a": 1}, True),
        (("eq", "a", 1), {"a": True}, False),
        (("eq", ["a", "b"], "x"), {"a": {"b": "x"}}, True),
        (("member", "a", ["x", "y"]), {"a": "y"}, True),
        (("member", "a", ["x", "y"]), {"a": ["x"]}, False),
        (("member", "a", [0]), {"a": False}, False),
        (("prefix", "a", "git "), {"a": "git push"}, True),
        (("prefix", "a", "git "), {"a": 1}, False),
        (("path_prefix", "a", "/srv"), {"a": "/srv"}, True),
        (("path_prefix", "a", "/srv/"), {"a": "/srv/x"}, True),
        (("path_prefix", "a", "/srv"), {"a": "/srvx"}, False),
        (("path_prefix", "a", "/srv"), {"a": "/srv/../etc"}, False),
        (("path_prefix", "a", "/etc"), {"a": "/srv/../etc/passwd"}, True),
        (("path_prefix", "a", "/etc"), {"a": "//etc/passwd"}, True),
        (("path_prefix", "a", "C:/data"), {"a": "C:\\data\\x"}, True),
        (("path_prefix", "a", "/"), {"a": "/x"}, True),
        (("path_prefix", "a", "/"), {"a": "x"}, False),
        (("path_prefix", "a", "."), {"a": "x/y"}, True),
        (("path_prefix", "a", "."), {"a": "../y"}, False),
    ],
)
def test_a_match_holds_or_not(match, context, holds):
    assert parse_match(match).holds(context) is holds


@pytest.mark.parametrize(
    ("given_profile", "reason"),
    [
        ([], "invalid_profile"),
        ({}, "invalid_profile"),
        ({"profile_id": ""}, "invalid_profile"),
        ({"profile_id": "p", "colour": 1}, "unsupported_profile_key"),
        ({"profile_id": "p", "default": "ask"}, "invalid_default"),
        ({"profile_id": "p", "rules": {}}, "invalid_profile"),
        ({"profile_id": "p", "rules": [1]}, "invalid_profile"),
        ({"profile_id": "p", "metadata": 1}, "invalid_profile"),
        ({"profile_id": "p", "rules": [{"colour": 1}]}, "unsupported_rule_key"),
        ({"profile_id": "p", "rules": [{"action": ""}]}, "invalid_rule_action"),
        ({"profile_id": "p", "rules": [{"decision": "ask"}]}, "invalid_rule_decision"),
        ({"profile_id": "p", "rules": [{"reason": 1}]}, "invalid_reason"),
        ({"profile_id": "p", "rules": [{"match": ["eq", "a"]}]}, "invalid_match"),
        ({"profile_id": "p", "rules": [{"match": ["like", "a", 1]}]}, "invalid_match"),
        ({"profile_id": "p", "rules": [{"match": ["eq", [], 1]}]}, "invalid_match"),
        ({"profile_id": "p", "rules": [{"match": ["prefix", "a", 1]}]}, "invalid_match"),
        ({"profile_id": "p", "rules": [{"match": ["member", "a", "xy"]}]}, "invalid_match"),
    ],
)
def test_what_is_no_profile_is_refused_with_a_word(given_profile, reason):
    with pytest.raises(InvalidInput) as wrong:
        Profile.of(given_profile, at=1)
    assert wrong.value.reason == reason


def test_a_profile_that_is_put_again_keeps_the_time_of_the_first():
    first = profile()
    again = Profile.of({"profile_id": "p", "default": "deny"}, at=9, before=first)
    assert (again.created_at, again.updated_at, again.default) == (1, 9, "deny")


VALUES = st.sampled_from([None, True, 0, 1, "", "a", "/a/b"])
RULES = st.builds(
    dict,
    action=st.sampled_from(["*", "command", "backend"]),
    decision=st.sampled_from(["allow", "deny"]),
    match=st.one_of(
        st.just("*"),
        st.tuples(st.just("exists"), st.sampled_from(["a", "b"])),
        st.tuples(st.just("eq"), st.sampled_from(["a", "b"]), VALUES),
        st.tuples(st.just("member"), st.just("a"), st.lists(VALUES, max_size=2)),
    ),
)
PROFILES = st.builds(
    dict,
    profile_id=st.just("p"),
    default=st.sampled_from(["allow", "deny"]),
    rules=st.lists(RULES, max_size=5),
)
CONTEXTS = st.dictionaries(st.sampled_from(["a", "b"]), VALUES)


@given(PROFILES, st.sampled_from(["command", "backend"]), CONTEXTS)
def test_it_says_what_the_rules_taken_together_say(data, action, context):
    one = Profile.of(data, at=1)
    said = {rule.decision for rule in one.rules if rule.is_for(action, context)}
    expected = "deny" if "deny" in said else "allow" if "allow" in said else one.default
    assert evaluate(one, action, context).decision == expected


@given(PROFILES)
def test_a_profile_survives_its_way_through_json(data):
    one = Profile.of(data, at=5)
    assert Profile.from_data(decode(encode(one.as_data()))) == one


def test_the_parts_have_defaults():
    assert Rule.of({}) == Rule("*", "deny", Match(), None)
