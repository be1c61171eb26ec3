"""`beam.routing.capability_registry`: three axes, by backend; what is missing is not supported."""

import pytest

from beam.errors import InvalidInput, NotFound, NotSupported
from beam.model.capabilities import CAPABILITIES, Support
from beam.routing import CapabilityRegistry

REGISTRY = CapabilityRegistry.of_kinds({"reviewer": "function", "claude": "claude"})


def test_a_missing_capability_is_not_supported_though_both_are_known():
    assert REGISTRY.status("hooks", "reviewer").level == "missing"
    assert REGISTRY.supports("hooks", "reviewer") is False
    assert REGISTRY.supports("hooks", "claude_code") is True


def test_an_unknown_capability_is_refused_before_an_unknown_backend():
    with pytest.raises(NotFound) as refused:
        REGISTRY.status("levitation", "nobody")
    assert (refused.value.reason, refused.value.capability) == ("unknown_capability", "levitation")
    with pytest.raises(NotFound) as refused:
        REGISTRY.supports("hooks", "nobody")
    assert (refused.value.reason, refused.value.backend) == ("unknown_backend", "nobody")


def test_what_a_backend_lacks_cannot_be_asserted_of_it():
    REGISTRY.assert_capability("hooks", "claude")
    with pytest.raises(NotSupported) as refused:
        REGISTRY.assert_capability("hooks", "reviewer")
    facts = (refused.value.reason, refused.value.capability, refused.value.backend)
    assert facts == ("unsupported_capability", "hooks", "reviewer")


def test_every_capability_is_listed_with_its_title_and_every_backend():
    listed = REGISTRY.all()
    assert [one["id"] for one in listed] == list(CAPABILITIES)
    assert all(one["title"] and list(one["support"]) == ["claude", "reviewer"] for one in listed)


def test_a_backends_row_has_every_capability_along_the_three_axes():
    row = {one.id: one for one in REGISTRY.for_backend("claude")}
    assert list(row) == list(CAPABILITIES)
    history = row["session_history"]
    assert (history.support_level, history.implementation) == ("full", "direct_backend")
    assert (history.fidelity, history.available_paths) == ("exact", ("direct_backend", "universal"))


def test_a_custom_backend_is_there_for_routing_too_until_it_is_taken_out():
    more = REGISTRY.with_backend("ours", {"hooks": {"level": "partial"}, "flying": Support("full")})
    assert more.backends().names == ("claude", "ours", "reviewer")
    assert more.backends().supports("ours", "hooks")
    assert not more.backends().supports("ours", "memory")
    assert more.capability_ids() == [*CAPABILITIES, "flying"]
    assert more.supports("flying", "claude") is False
    assert more.without_backend("ours").names() == more.as_configured().names() == REGISTRY.names()


def test_one_capability_can_be_changed():
    more = REGISTRY.with_capability("claude_code", "hooks", {"level": "missing"})
    assert (more.supports("hooks", "claude"), REGISTRY.supports("hooks", "claude")) == (False, True)
    with pytest.raises(NotFound):
        REGISTRY.with_capability("nobody", "hooks", {"level": "full"})


@pytest.mark.parametrize(
    ("name", "row", "field"),
    [
        ("auto", {}, "backend"),
        ("", {}, "backend"),
        ("ours", [], "support"),
        ("ours", {"hooks": "full"}, "support"),
        ("ours", {"hooks": {"level": "some"}}, "level"),
        ("ours", {"hooks": {}}, "level"),
        ("ours", {"hooks": {"level": "full", "fidelity": "x"}}, "fidelity"),
        ("ours", {"hooks": {"level": "full", "levl": "x"}}, "support"),
        ("ours", {"": {"level": "full"}}, "capability"),
    ],
)
def test_what_is_no_row_is_refused_by_the_field(name, row, field):
    with pytest.raises(InvalidInput) as refused:
        REGISTRY.with_backend(name, row)
    assert refused.value.field == field


def test_there_is_a_bound():
    full = REGISTRY
    for number in range(998):
        full = full.with_backend(f"b{number}", {})
    with pytest.raises(InvalidInput):
        full.with_backend("one_more", {})
    assert full.with_backend("b7", {"hooks": {"level": "full"}}).supports("hooks", "b7")
