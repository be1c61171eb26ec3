"""What ACP agents are answered when they ask for permission (`acp_permissions`)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from beam.backends.acp_permissions import answer
from beam.model.permissions import Allow, Decision, Deny
from tests.backends.acp_recorded import AGENTS, said

KINDS = ("allow_always", "allow_once", "reject_once", "reject_always")
ASKED = {"command": "rm -r ."}
DECISIONS: list[Decision | None] = [
    None,
    Allow(),
    Allow(for_session=True),
    Allow(ASKED),
    Allow({"command": "ls"}),
    Deny("no"),
    Deny("no", interrupt=True),
]


def offered(*kinds: str) -> list[dict[str, Any]]:
    return [{"optionId": f"id-of-{kind}", "kind": kind, "name": kind} for kind in kinds]


def chosen(decision: Decision | None, *kinds: str) -> str:
    outcome = answer(decision, offered(*kinds), ASKED)["outcome"]
    return str(outcome.get("optionId", outcome["outcome"])).removeprefix("id-of-")


@pytest.mark.parametrize(
    ("decision", "kind"),
    [
        (Allow(), "allow_once"),
        (Allow(ASKED), "allow_once"),
        (Allow(for_session=True), "allow_always"),
        (Allow({"command": "ls"}), "reject_once"),
        (Deny("no"), "reject_once"),
        (Deny("no", interrupt=True), "cancelled"),
        (None, "cancelled"),
    ],
)
def test_an_option_is_chosen_by_its_kind(decision: Decision | None, kind: str) -> None:
    assert chosen(decision, *KINDS) == kind


def test_a_no_never_selects_what_allows_whatever_is_offered() -> None:
    for count in range(len(KINDS) + 1):
        for kinds in itertools.permutations(KINDS, count):
            for decision in DECISIONS:
                allowed = isinstance(decision, Allow) and decision.params in (None, ASKED)
                if not allowed:
                    assert not chosen(decision, *kinds).startswith("allow"), (decision, kinds)


def test_a_yes_that_counts_once_does_not_become_one_for_ever() -> None:
    assert chosen(Allow(), "allow_always", "reject_once") == "cancelled"


def test_a_yes_for_the_session_is_one_for_once_where_nothing_more_is_offered() -> None:
    assert chosen(Allow(for_session=True), "allow_once", "reject_once") == "allow_once"


def test_a_no_is_a_lasting_one_where_no_other_is_offered() -> None:
    assert chosen(Deny("no"), "allow_once", "reject_always") == "reject_always"


@pytest.mark.parametrize("options", [[], [None, 7, {}], [{"kind": "allow_once"}]])
def test_options_that_make_no_sense_select_nothing(options: list[Any]) -> None:
    assert answer(Allow(), options, ASKED) == {"outcome": {"outcome": "cancelled"}}


@pytest.mark.parametrize("agent", AGENTS)
def test_every_agent_offers_a_yes_and_a_no(agent: str) -> None:
    [asked] = [
        message["params"]
        for message in said(agent, "basic", "made > made.txt")
        if message.get("method") == "session/request_permission"
    ]
    yes, no = (answer(each, asked["options"], {})["outcome"] for each in (Allow(), Deny("no")))
    assert yes["outcome"] == no["outcome"] == "selected"
    assert yes != no
