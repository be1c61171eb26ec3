"""`beam.providers.provisioner`: section 9, by the numbers of its acceptance checks."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from beam import telemetry
from beam.errors import InvalidOption, NotSupported, ProviderFailed
from beam.providers import Handle, Tool
from beam.providers.provision_names import ANY_TEXT, fitted, fitted_base
from beam.providers.provision_spec import AgentSpec, EnvironmentSpec
from beam.providers.provision_store import FileHandles, MemoryHandles
from beam.providers.provisioner import Found, Provisioner

SPEC = AgentSpec("reviewer", "claude-sonnet-4-5", "Review.", (Tool("add", "Adds."),))


class Remote:
    """A provider whose agents are a list."""

    def __init__(self, name="remote"):
        self.name = name
        self.agents = []
        self.made = 0
        self.failing = None
        self.undying = set()
        self.gate = None

    def base(self, name):
        return fitted_base(name, 256, ANY_TEXT)

    async def provision(self, spec, options):
        self.made = number = self.made + 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failing is not None:
            raise self.failing
        handle = Handle(self.name, f"agent_{number}", f"env_{number}", dict(options))
        whole = fitted(spec.name, spec.digest(self.name), 256, ANY_TEXT)
        bare = Handle(self.name, handle.agent_id)
        self.agents.append(Found(whole, f"2026-01-{number:02}", bare))
        return handle

    async def teardown(self, handle, options):
        if handle.agent_id in self.undying:
            raise ProviderFailed(("teardown_failed", ["environment"]))
        self.gone = handle
        self.agents = [one for one in self.agents if one.handle.agent_id != handle.agent_id]

    async def provisioned(self, options):
        return list(reversed(self.agents))


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    return MemoryHandles() if request.param == "memory" else FileHandles(tmp_path / "handles.json")


@pytest.fixture
def provisioner(store):
    return Provisioner(store)


def ensured(provisioner, remote, spec=SPEC, **options):
    return asyncio.run(provisioner.ensure(remote, spec, options))


def test_check_91_it_is_made_once_then_found(provisioner, store):
    remote = Remote()
    first = ensured(provisioner, remote, region="here")
    assert ensured(provisioner, remote) == first
    assert ensured(Provisioner(store), remote) == first
    assert (remote.made, first.details) == (1, {"region": "here"})


def test_check_91_each_provider_has_its_own(provisioner):
    here, there = Remote("here"), Remote("there")
    assert ensured(provisioner, here).provider == "here"
    assert ensured(provisioner, there).provider == "there"
    assert (here.made, there.made) == (1, 1)


def test_check_91_a_failure_is_not_remembered(provisioner):
    remote = Remote()
    remote.failing = ProviderFailed(("provision_failed", "agent", ("status", 500)))
    with pytest.raises(ProviderFailed) as failed:
        ensured(provisioner, remote)
    assert failed.value is remote.failing
    remote.failing = None
    assert ensured(provisioner, remote).agent_id == "agent_2"


def test_what_is_made_is_told_and_what_is_found_is_not(provisioner):
    told = []
    detach = telemetry.attach(
        ("provider",), lambda event, measured, about: told.append((event[-1], measured, about))
    )
    try:
        remote = Remote()
        ensured(provisioner, remote)
        ensured(provisioner, remote)
        remote.failing = ProviderFailed(("provision_failed", "agent", ("status", 500)), "words")
        with pytest.raises(ProviderFailed):
            ensured(provisioner, remote, replace(SPEC, system="Anew."))
    finally:
        detach()
    assert [how for how, _, _ in told] == ["start", "stop", "start", "exception"]
    assert all(about["name"] == "reviewer" for _, _, about in told)
    assert (told[1][2]["agent_id"], told[1][1]["duration"] >= 0.0) == ("agent_1", True)
    assert told[3][2]["reason"] == "status_500"
    assert told[0][2]["digest"] != told[2][2]["digest"]
    assert "words" not in repr(told)


def test_who_asks_for_the_same_at_once_waits_for_it(provisioner):
    remote = Remote()

    async def both():
        remote.gate = asyncio.Event()
        first = asyncio.ensure_future(provisioner.ensure(remote, SPEC))
        second = asyncio.ensure_future(provisioner.ensure(remote, SPEC))
        other = asyncio.ensure_future(provisioner.ensure(remote, replace(SPEC, name="other")))
        await asyncio.sleep(0)
        remote.gate.set()
        return await asyncio.gather(first, second, other)

    first, second, other = asyncio.run(both())
    assert first == second != other
    assert remote.made == 2


@pytest.mark.parametrize("note", ["text", 7, {}, {"agent_id": "a"}, {"provider": "remote"}, [1],
                                  {"provider": "remote", "agent_id": ""},
                                  {"provider": "remote", "agent_id": "a", "details": 7},
                                  {"provider": "remote", "agent_id": 7},
                                  {"provider": "remote", "agent_id": "a", "more": 1}])  # fmt: skip
def test_check_91_a_note_of_another_shape_is_a_miss(note):
    store = MemoryHandles()
    remote = Remote()
    ensured(Provisioner(store), remote)
    ((key, _),) = store.items()
    store._notes[key] = note
    assert ensured(Provisioner(store), remote).agent_id == "agent_2"


def test_check_92_the_content_of_an_environment_counts_not_its_name(provisioner):
    remote = Remote()
    with_one = replace(SPEC, environment=EnvironmentSpec("one", {"type": "cloud"}))
    ensured(provisioner, remote)
    first = ensured(provisioner, remote, with_one)
    renamed = replace(SPEC, environment=EnvironmentSpec("two", {"type": "cloud"}))
    assert ensured(provisioner, remote, renamed) == first
    assert remote.made == 2
    changed = replace(SPEC, environment=EnvironmentSpec("one", {"type": "self_hosted"}))
    assert ensured(provisioner, remote, changed) != first


@pytest.mark.parametrize("change", [{"system": "x"}, {"model": "y"}, {"tools": ()},
                                    {"details": {"a": 1}}, {"name": "z"}])  # fmt: skip
def test_check_92_so_does_everything_else(provisioner, change):
    remote = Remote()
    first = ensured(provisioner, remote)
    assert ensured(provisioner, remote, replace(SPEC, **change)) != first


def test_check_93_a_teardown_that_fails_keeps_the_note(provisioner):
    remote = Remote()
    handle = ensured(provisioner, remote)
    remote.undying = {handle.agent_id}
    with pytest.raises(ProviderFailed, match="teardown_failed"):
        asyncio.run(provisioner.teardown(remote, handle))
    assert ensured(provisioner, remote) == handle
    remote.undying = set()
    asyncio.run(provisioner.teardown(remote, handle))
    assert ensured(provisioner, remote) != handle


def test_a_tag_means_what_it_was_last_given(provisioner):
    remote = Remote()
    newer = replace(SPEC, system="Review more.")
    assert provisioner.tag(remote, SPEC, "stable") == "reviewer:stable"
    with pytest.raises(ProviderFailed) as untracked:
        provisioner.resolve(remote, "reviewer:stable")
    assert untracked.value.reason == ("untracked_digest", SPEC.digest("remote"))
    first, second = ensured(provisioner, remote), ensured(provisioner, remote, newer)
    assert provisioner.resolve(remote, "reviewer:stable") == first
    provisioner.tag(remote, newer, "stable")
    assert provisioner.resolve(remote, "reviewer:stable") == second


def test_a_tag_that_nobody_gave_is_unknown(provisioner):
    with pytest.raises(ProviderFailed) as unknown:
        provisioner.resolve(Remote(), "reviewer:stable")
    assert unknown.value.reason == "unknown_tag"


@pytest.mark.parametrize("reference", ["reviewer", "", ":", "a:", ":b", None])
def test_a_reference_without_a_colon_is_refused(provisioner, reference):
    with pytest.raises(InvalidOption, match="base:tag"):
        provisioner.resolve(Remote(), reference)


@pytest.mark.parametrize("tag", ["", "a:b", None])
def test_a_tag_is_a_word(provisioner, tag):
    with pytest.raises(InvalidOption, match="tag"):
        provisioner.tag(Remote(), SPEC, tag)


@pytest.mark.parametrize("spec", [None, "reviewer", AgentSpec(""), AgentSpec("  "),
                                  AgentSpec("a", environment=EnvironmentSpec(""))])  # fmt: skip
def test_what_is_no_spec_is_refused_before_anything_is_made(provisioner, spec):
    remote = Remote()
    with pytest.raises(InvalidOption):
        ensured(provisioner, remote, spec)
    assert remote.made == 0


class TestPrune:
    @pytest.fixture
    def remote(self, provisioner):
        """Five contents of one base, and what is none of them."""
        remote = Remote()
        for n in range(5):
            ensured(provisioner, remote, replace(SPEC, system=f"Review {n}."))
        ensured(provisioner, remote, replace(SPEC, name="reviewer_too"))
        for name in ("reviewer", "reviewer_9f86d0811", "reviewer_9f86d08"):
            remote.agents.append(Found(name, "2020-01-01", Handle("remote", name)))
        return remote

    def names(self, remote):
        return {one.handle.agent_id for one in remote.agents}

    def test_check_94_keep_is_required(self, provisioner, remote):
        with pytest.raises(InvalidOption) as refused:
            asyncio.run(provisioner.prune(remote, "reviewer"))
        assert refused.value.reason == "keep_required"
        for bad in (-1, True, "1", 1.5):
            with pytest.raises(InvalidOption, match="keep"):
                asyncio.run(provisioner.prune(remote, "reviewer", keep=bad))
        assert len(remote.agents) == 9

    def test_check_94_the_oldest_go_first_and_others_are_left_alone(self, provisioner, remote):
        removed = asyncio.run(provisioner.prune(remote, "reviewer", keep=2))
        assert len(removed) == 3
        assert self.names(remote) == {
            "agent_4", "agent_5", "agent_6", "reviewer", "reviewer_9f86d0811", "reviewer_9f86d08",
        }  # fmt: skip

    def test_check_94_tagged_ones_are_kept_and_do_not_count(self, provisioner, remote):
        provisioner.tag(remote, replace(SPEC, system="Review 0."), "stable")
        asyncio.run(provisioner.prune(remote, "reviewer", keep=0))
        assert self.names(remote) & {f"agent_{n}" for n in range(1, 6)} == {"agent_1"}

    def test_check_94_a_part_that_fails_is_told_with_both_lists(self, provisioner, remote):
        remote.undying = {"agent_2"}
        ordered = [one.name for one in remote.agents[:5]]
        with pytest.raises(ProviderFailed) as partial:
            asyncio.run(provisioner.prune(remote, "reviewer", keep=1))
        word, removed, failed = partial.value.reason
        assert (word, removed, failed) == ("partial", [ordered[0], *ordered[2:4]], [ordered[1]])

    def test_what_was_noted_of_an_agent_goes_with_it(self, provisioner, remote):
        asyncio.run(provisioner.prune(remote, "reviewer", keep=4))
        assert remote.gone.environment_id == "env_1"
        assert ensured(provisioner, remote, replace(SPEC, system="Review 0.")).agent_id == "agent_7"

    def test_a_provider_that_cannot_say_what_is_there_cannot_be_pruned(self, provisioner):
        class Silent:
            name = "silent"

        with pytest.raises(NotSupported, match="prune"):
            asyncio.run(provisioner.prune(Silent(), "reviewer", keep=0))
