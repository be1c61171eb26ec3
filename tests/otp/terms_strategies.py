"""Terms for hypothesis, with many that Python takes for equal and Erlang does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from beam.otp.atom import Atom


@dataclass(frozen=True)
class Reference:
    """A value that counts as a reference."""

    __term_order__: int


NAMES = ("", "a", "b", "ok", "true", "false", "undefined", "é", "€", "😀")

numbers = st.one_of(
    st.sampled_from([0, 1, 2, -1, 0.0, -0.0, 1.0, 2.0, -1.0, 1.5, 2**53, 2**53 + 1, 2.0**53]),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False),
)
atoms = st.one_of(st.none(), st.booleans(), st.sampled_from(NAMES).map(Atom))
references = st.integers(0, 3).map(Reference)
texts = st.sampled_from(NAMES)
octets = texts.map(lambda name: name.encode())
scalars = st.one_of(numbers, atoms, references, texts, octets)
hashables = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4
)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(hashables, inner, max_size=3),
    )


terms = st.recursive(scalars, _containers, max_leaves=6)
"""Any terms."""

few = st.sampled_from(
    [
        *(1, 1.0, True, 2, 2.0, 0, 0.0, False, None, "", "a", "k", b"a", Atom("a"), Atom("x")),
        *((), (1,), (1.0,), (True,), ("a", 1), ("a", 1.0), ("a", 2), ("b", 1), (1, (1, 1.0))),
        *([], [1], [1.0], ["a", 2], {}, {"a": 1}, {"a": 1.0}, {1: "a"}, {1.0: "a"}),
        *(Reference(1), Reference(2)),
    ]
)
"""A few terms that meet often."""
