"""`BackendConformance`: what every backend must do, as tests to run against yours.

    from beam.testing import BackendConformance

    class TestMyBackend(BackendConformance):
        def backend(self):
            return my_backend()

pytest collects the tests that the class inherits. Each makes a fleet of its own with the backend,
asks through the fleet's public doors, and sees that nothing is left when it is closed. The agent
behind the backend must obey directives in its prompts, which a scripted model can do for any agent
(override `say`, `slow`, ... if yours is told otherwise):

| prompt | what the agent does |
|---|---|
| `[[say TEXT]]` | answers with the text |
| `[[history]]` | answers with the texts of every earlier `say`, with `|` between them |
| `[[slow N]]` | streams N pieces, half a second before each |
| `[[silent N]]` | streams N pieces, and then says nothing for ever |
| `[[fail CODE]]` | its model answers with this HTTP status |
| `[[tool NAME JSON]]` | calls a tool of the session's (`calls`; `None` if it cannot) |
| `writes` | asks for permission, then makes a file with a tool of its own; `None` if it has none |

A prompt may hold more than its directives, such as what was said before: the last one counts.

`charges` are the tokens that the model charges for each answer, by bucket; say them if you know
them. The best are all above 0, and all different: what is counted twice, or in the wrong bucket, is
then seen.

What your agent cannot do is named in `lacks`, with the reason; those tests are then not there:

    lacks = {"usage": "the program does not tell its tokens"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.testing.suite_ends import Ends
from beam.testing.suite_permission import Permission
from beam.testing.suite_turns import Turns

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FEATURES", "BackendConformance"]

FEATURES: Mapping[str, tuple[str, ...]] = {
    "memory": (
        "test_it_remembers_what_was_said",
        "test_a_killed_session_goes_on",
        "test_a_session_is_taken_up_by_another_fleet",
    ),
    "streaming": ("test_an_answer_is_streamed",),
    "permission": (
        "test_what_is_allowed_is_done",
        "test_what_is_denied_is_not_done",
        "test_where_nobody_decides_nothing_is_done",
        "test_a_handler_that_raises_allows_nothing",
        "test_a_handler_that_hangs_allows_nothing",
        "test_a_handler_that_answers_nonsense_allows_nothing",
        "test_an_interrupt_cancels_a_pending_permission",
    ),
    "tools": (
        "test_a_tool_of_the_session_is_called",
        "test_tool_uses_are_told_in_pairs",
        "test_tokens_of_a_turn_are_added_up",
    ),
    "interrupt": ("test_an_interrupt_ends_a_turn_and_the_session_goes_on",),
    "failure": ("test_a_failure_is_never_taken_for_an_answer",),
    "usage": (
        "test_tokens_are_told_in_disjoint_buckets",
        "test_tokens_of_a_turn_are_added_up",
    ),
    "turn_usage": ("test_tokens_of_a_turn_are_added_up",),
    "program": (
        "test_a_killed_program_is_told_within_a_second",
        "test_a_killed_program_is_back_with_its_conversation",
        "test_a_stopped_program_is_given_up",
    ),
    "deadline": ("test_a_turn_has_a_deadline",),
    "silence": (
        "test_an_agent_that_says_nothing_is_stalled",
        "test_an_agent_that_falls_silent_is_stalled",
    ),
}
"""What a backend may lack, and the tests that need it; some need more than one."""


class BackendConformance(Turns, Permission, Ends):
    """The suite; see the module. Subclass it in a test file, with `backend`.

    Its attributes and what it says of its agent are those of `AgentSuite`.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take out the tests of what the agent lacks."""
        super().__init_subclass__(**kwargs)
        for feature in cls.lacks:
            if feature not in FEATURES:
                raise TypeError(f"lacks: {feature!r} is none of {', '.join(FEATURES)}")
            for test in FEATURES[feature]:
                setattr(cls, test, None)
