"""`beam.sessions.options`: what a session may be started with; all else is refused by name."""

from __future__ import annotations

import math

import pytest

from beam.errors import InvalidInput
from beam.otp import Backoff, Restarts
from beam.sessions.options import SessionOptions

WRONG = [
    ("backend", 3),
    ("backend", ""),
    ("session_id", 3),
    ("session_id", ""),
    ("session_id", "x" * 201),
    ("cwd", None),
    ("cwd", 3),
    ("model", 3),
    ("model", ""),
    ("permission_mode", b"plan"),
    ("permission_handler", "allow"),
    ("approval_handler", 3),
    ("user_input_handler", {}),
    ("permission_default", "maybe"),
    ("permission_default", None),
    ("permission_timeout", 0),
    ("permission_timeout", None),
    ("tools", "add"),
    ("tools", {"add": 1}),
    ("tools", 3),
    ("on_crash", "explode"),
    ("on_crash", None),
    ("retries", -1),
    ("retries", 1.5),
    ("retries", True),
    ("timeout", 0),
    ("timeout", -1),
    ("timeout", math.inf),
    ("timeout", math.nan),
    ("timeout", "long"),
    ("timeout", True),
    ("timeout", 10**400),
    ("queue_max", 0),
    ("queue_max", "many"),
    ("attachment_limit", -1),
    ("attachment_limit", "512 KiB"),
    ("connect_timeout", -1),
    ("connect_timeout", None),
    ("init_timeout", "x"),
    ("reconnects", 3),
    ("backoff", 0.1),
    ("record", 3),
    ("record", ""),
    ("record", b"session.jsonl"),
    ("record", "a\0b"),
    ("record", "no such folder/session.jsonl"),
    ("record", "."),
    ("routing", "auto"),
    ("metadata", "x"),
    ("metadata", {"x": object()}),
    ("metadata", {3: "x"}),
    ("metadata", {"x": math.nan}),
    ("options", []),
]


def name_of(one):
    text = repr(one)
    return "long text" if len(text) > 30 else text.partition(" at 0x")[0]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=name_of)
def test_an_option_that_is_not_what_it_must_be_is_refused_by_its_name(name, value):
    with pytest.raises(InvalidInput) as refused:
        SessionOptions.of({name: value})
    assert refused.value.field == name


def test_an_unknown_option_is_refused_with_those_that_there_are():
    with pytest.raises(InvalidInput) as refused:
        SessionOptions.of({"on_crsh": "retry"})
    assert (refused.value.field, refused.value.value) == ("option", "on_crsh")
    assert "on_crash" in refused.value.expected


def test_the_defaults_are_those_of_the_documentation():
    options = SessionOptions()
    assert (options.on_crash, options.timeout, options.queue_max) == ("interrupt", 120.0, 1000)
    assert (options.permission_default, options.permission_timeout) == ("deny", 300.0)


def test_what_is_right_is_kept():
    given = {
        "backend": "claude",
        "session_id": "x" * 200,
        "timeout": None,
        "retries": 0,
        "tools": (len,),
        "reconnects": Restarts(0, per=1.0),
        "backoff": Backoff(1.0, 1.0),
        "metadata": {"of": ["ada"]},
    }
    options = SessionOptions.of(given)
    assert {name: getattr(options, name) for name in given} == given


def test_the_broker_is_told_of_handlers_that_there_are():
    def ask(method, params, context):
        return "allow"

    options = SessionOptions(permission_handler=ask, permission_timeout=3.0)
    assert options.callbacks() == {
        "permission_handler": ask,
        "permission_default": "deny",
        "permission_timeout": 3.0,
    }
