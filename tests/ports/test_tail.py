"""The end of stderr."""

from hypothesis import given
from hypothesis import strategies as st

from beam.ports.tail import Tail

chunks = st.lists(
    st.sampled_from([b"\n", b"a", "é".encode(), "€".encode(), "𝄞".encode(), b"word "])
)


@given(chunks, st.integers(1, 40), st.integers(1, 5))
def test_the_tail_is_a_suffix_within_both_bounds(parts: list[bytes], size: int, lines: int) -> None:
    tail = Tail(size, lines)
    for part in parts:
        tail.feed(part)
    whole = b"".join(parts)
    assert whole.endswith(tail.data)
    assert len(tail.data) <= size
    assert len(tail.data.splitlines()) <= lines
    assert tail.dropped == len(whole) - len(tail.data)
    # As much as fits is kept: another character would break one of the bounds.
    if tail.dropped:
        character = whole[: len(whole) - len(tail.data)].decode()[-1].encode()
        more = character + tail.data
        assert len(more) > size or len(more.split(b"\n")) - more.endswith(b"\n") > lines


@given(chunks, st.integers(1, 40))
def test_no_character_is_cut_in_two(parts: list[bytes], size: int) -> None:
    tail = Tail(size, 1000)
    for part in parts:
        tail.feed(part)
    assert "\N{REPLACEMENT CHARACTER}" not in tail.text


def test_bytes_that_are_no_text_are_shown() -> None:
    tail = Tail(10, 10)
    tail.feed(b"a\xffb")
    assert tail.text == "a\N{REPLACEMENT CHARACTER}b"
