"""`beam.sessions.delivery`: what is meant for a session reaches it, or its sender hears why not."""

from __future__ import annotations

import pytest

from beam.errors import (
    NotFound,
    QueueFull,
    SessionClosed,
    SessionQuarantined,
    SessionRefused,
    SessionRestarting,
)
from beam.otp import Future, Node, Server, noreply
from beam.sessions.delivery import Delivery, named
from beam.sessions.roster import Roster, Undelivered
from beam.state.waiting_runs import WaitingRuns
from tests.sessions.scripted import PATIENCE, end


class Session(Server):
    """Answers each submission as it is told to."""

    def init(self, say):
        self.say = say
        self.heard = []

    def handle_call(self, message, caller):
        self.heard.append(message)
        if isinstance(self.say, BaseException):
            raise self.say
        return self.say


class Run(Future):
    __slots__ = ("run_id", "taken")

    def __init__(self, run_id):
        super().__init__()
        self.run_id = run_id
        self.taken = Future()


class Post:
    """A delivery of one session, `s`, and what goes through it."""

    def __init__(self, node):
        self.node = node
        self.roster, self.waiting = Roster(), WaitingRuns()
        self.delivery = Delivery(node, self.roster, self.waiting)
        self.roster.enter("s", "spec")
        self.roster.set_status("s", "live")

    def session(self, say=True):
        return Session.start(say, name="s")

    def submit(self, word):
        run = Run(word)
        self.waiting.expect(word, "s", run)
        self.delivery.deliver("s", Undelivered(word, run))
        return run


@pytest.fixture
def post():
    with Node() as node:
        yield Post(node)


def test_a_submission_goes_straight_to_the_session(post):
    session = post.session()
    run = post.submit("one")
    assert session.proxy().heard.get() == ["one"]
    assert not run.done
    assert len(post.waiting) == 1


def test_what_the_session_refuses_its_waiter_hears(post):
    post.session(SessionRefused("busy"))
    with pytest.raises(SessionRefused, match="busy"):
        post.submit("one").get(timeout=PATIENCE)
    assert len(post.waiting) == 0


def test_without_a_process_a_submission_is_left_and_others_queue_up_behind_it(post):
    runs = [post.submit("one")]
    session = post.session()
    runs.append(post.submit("two"))
    assert session.proxy().heard.get() == []
    post.roster.hand_over("s", lambda one: post.delivery.hand("s", one))
    assert session.proxy().heard.get() == ["one", "two"]
    post.submit("three")
    assert session.proxy().heard.get() == ["one", "two", "three"]
    assert not any(run.done for run in runs)


def test_a_submission_that_its_process_took_along_is_left_for_the_next(post):
    session = post.session(noreply)
    run = post.submit("one")
    session.proxy().heard.get()
    end(post.node, session, session.stop)
    assert not run.done
    handed = []
    post.roster.hand_over("s", lambda one: handed.append(one.submit) is None)
    assert handed == ["one"]


def test_there_is_nobody_to_hand_to(post):
    assert not post.delivery.hand("s", Undelivered("one", Run("one")))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda roster: roster.set_status("s", "quarantined"), SessionQuarantined),
        (lambda roster: roster.strike("s"), SessionClosed),
        (lambda roster: roster.withdraw("s"), SessionClosed),
        (lambda roster: roster.end("fleet_closed"), SessionClosed),
        (lambda roster: [roster.leave("s", n) for n in range(2000)], QueueFull),
    ],
    ids=["quarantined", "closed", "unknown", "fleet", "full"],
)
def test_a_session_that_takes_nothing_refuses_at_once(post, change, error):
    change(post.roster)
    with pytest.raises(error):
        post.submit("one").get(timeout=PATIENCE)
    assert len(post.waiting) == 0
    if error is not QueueFull:
        with pytest.raises(error):
            post.delivery.ask("s", "question", PATIENCE)


def test_a_question_is_answered_by_the_session_or_by_the_next_one(post):
    post.session("answer")
    assert post.delivery.ask("s", "question", PATIENCE) == "answer"


def test_a_question_to_a_session_that_is_not_there_has_its_deadline(post):
    with pytest.raises(SessionRestarting) as restarting:
        post.delivery.ask("s", "question", 0.03)
    assert restarting.value.session_id == "s"


def test_a_process_is_waited_for_by_its_name(post):
    session = post.session()
    assert named(post.node, "s") is session
    with pytest.raises(NotFound) as missing:
        named(post.node, "t", 0.02)
    assert (missing.value.reason, missing.value.name) == ("restarting", "t")
