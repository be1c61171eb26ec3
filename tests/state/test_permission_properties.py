"""Permissions by the table: whatever handlers, policies and defaults there are, in any mix.

The model is the table of the specification with its mends: a policy that denies wins; a handler
that raises, hangs or answers nonsense denies, whatever the default; the default counts only where
there is no handler at all.
"""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from beam.model.permissions import Allow, allow, deny
from beam.otp import receive as receive_mail
from tests.state.running import PATIENCE, running
from tests.volume import scaled

PARAMS = {"path": "/a"}
# What a handler does, and what each of the two questions comes to.
PERMISSION = {
    "allow": (lambda *_: allow(), "allow", "accept"),
    "as asked": (lambda method, params, context: allow(params), "allow", "accept"),
    "rewritten": (lambda *_: allow({"path": "/b"}), "allow", "decline"),
    "deny": (lambda *_: deny("no"), "deny", "decline"),
    "cancel": (lambda *_: deny("no", interrupt=True), "deny", "cancel"),
    "raises": (lambda *_: 1 / 0, "deny", "decline"),
    "hangs": (lambda *_: receive_mail(), "deny", "decline"),
    "nothing": (lambda *_: None, "deny", "decline"),
    "true": (lambda *_: True, "deny", "decline"),
    "nonsense": (lambda *_: ("allow?", object()), "deny", "decline"),
    "a word": (lambda *_: "Allow", "deny", "decline"),
}
APPROVAL = {
    "accept": (lambda *_: "accept", "allow", "accept"),
    "for session": (lambda *_: "accept_for_session", "allow", "accept_for_session"),
    "decline": (lambda *_: "decline", "deny", "decline"),
    "cancel": (lambda *_: "cancel", "deny", "cancel"),
    "allow": (lambda *_: "allow", "allow", "accept"),
    "raises": (lambda *_: 1 / 0, "deny", "decline"),
    "hangs": (lambda *_: receive_mail(), "deny", "decline"),
    "nothing": (lambda *_: None, "deny", "decline"),
    "nonsense": (lambda *_: 7, "deny", "decline"),
}
POLICIES = {
    None: [],
    "allows": [{"action": "approval", "decision": "allow"}],
    "denies": [{"action": "approval", "match": ["prefix", ["params", "path"], "/a"]}],
    "is gone": [],
}
CASES = st.fixed_dictionaries(
    {
        "asks": st.sampled_from(["permission", "approval"]),
        "permission": st.none() | st.sampled_from(sorted(PERMISSION)),
        "approval": st.none() | st.sampled_from(sorted(APPROVAL)),
        "default": st.sampled_from(["allow", "deny"]),
        "policy": st.sampled_from([*POLICIES]),
    }
)


def expected(case):
    """Return what the table says: the word of a permission, or of an approval."""
    place = 1 if case["asks"] == "permission" else 2
    if case["policy"] in ("denies", "is gone"):
        return ("deny", "decline")[place - 1]
    own, other = ("permission", "approval")[:: 1 if place == 1 else -1]
    table = {"permission": PERMISSION, "approval": APPROVAL}
    for name in (own, other):
        if case[name] is not None:
            return table[name][case[name]][place]
    return {"allow": ("allow", "accept"), "deny": ("deny", "decline")}[case["default"]][place - 1]


def test_a_decision_is_what_the_table_says_and_what_is_no_answer_denies():
    numbers = itertools.count()

    with running() as state:
        for name, rules in POLICIES.items():
            if rules:
                profile = {"profile_id": name, "rules": rules}
                state.control.put_policy_profile(profile).get(timeout=PATIENCE)

        @settings(max_examples=scaled(2_000), deadline=None)
        @given(CASES)
        def check(case):
            session_id = f"s{next(numbers)}"
            handlers = {
                "permission_handler": PERMISSION.get(case["permission"], [None])[0],
                "approval_handler": APPROVAL.get(case["approval"], [None])[0],
            }
            options = {
                **{key: one for key, one in handlers.items() if one is not None},
                "permission_default": case["default"],
                "permission_timeout": 0.05 if "hangs" in case.values() else PATIENCE,
            }
            control = state.control
            control.register_session_callbacks(session_id, options).get(timeout=PATIENCE)
            if case["policy"] is not None:
                key = "policy_profile_id"
                control.set_config(session_id, key, case["policy"]).get(timeout=PATIENCE)
            ask = (
                control.request_permission
                if case["asks"] == "permission"
                else (control.request_approval)
            )
            said = ask(session_id, "write", PARAMS, {}).get(timeout=PATIENCE)
            if case["asks"] == "permission":
                said = "allow" if isinstance(said, Allow) else "deny"
            assert said == expected(case)

        check()
