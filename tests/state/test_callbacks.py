"""`beam.state.callbacks`: which handlers a session has."""

import pytest

from beam.errors import InvalidInput
from beam.state import Callbacks

HANDLERS = ("permission_handler", "approval_handler", "user_input_handler")


def test_the_handlers_are_picked_out_of_the_options():
    options = {**dict.fromkeys(HANDLERS, print), "permission_default": "allow", "cwd": "/tmp"}
    assert Callbacks.from_options(options) == Callbacks(
        permission_handler=print,
        approval_handler=print,
        user_input_handler=print,
        permission_default="allow",
    )


@pytest.mark.parametrize("options", [{}, {"permission_default": None, "permission_handler": None}])
def test_without_options_nobody_is_asked_and_everything_is_denied(options):
    assert Callbacks.from_options(options) == Callbacks()
    assert Callbacks().permission_default == "deny"


@pytest.mark.parametrize("key", HANDLERS)
def test_a_handler_that_cannot_be_called_is_refused_by_name(key):
    with pytest.raises(InvalidInput) as refused:
        Callbacks.from_options({key: "allow"})
    assert refused.value.field == key


@pytest.mark.parametrize("default", ["ask", True, "", 1])
def test_a_default_is_allow_or_deny(default):
    with pytest.raises(InvalidInput, match="permission_default"):
        Callbacks.from_options({"permission_default": default})
