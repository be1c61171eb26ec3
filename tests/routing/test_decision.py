"""`beam.routing.decision`: a decision as plain data."""

from tests.routing.five import Desk


def test_the_payload_has_every_field_that_was_supplied():
    decision = Desk().route(
        policy="sticky",
        preferred_backends=["codex", "claude"],
        fallback_policy="none",
        affinity_key="ada",
        policy_profile_id="careful",
    )
    assert decision.as_payload() == {
        "backend": "codex",
        "candidates": ["codex", "claude"],
        "policy": "sticky",
        "reasons": list(decision.reasons),
        "fallback_chain": ["claude"],
        "affinity_key": "ada",
        "policy_profile_id": "careful",
    }


def test_the_payload_leaves_out_what_was_not_supplied():
    assert set(Desk().route().as_payload()) == {
        "backend",
        "candidates",
        "policy",
        "reasons",
        "fallback_chain",
    }
