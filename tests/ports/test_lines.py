"""Bytes into lines, however they are cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from beam.ports import Line
from beam.ports.lines import Excess, LineBuffer, Piece

streams = st.lists(st.sampled_from([b"\n", b"a", b"\r", b"\xff", b"\xc3\xa9", b"bcdefgh"])).map(
    b"".join
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def read(chunks: list[bytes], limit: int) -> list[Piece]:
    buffer = LineBuffer(limit)
    return [piece for chunk in chunks for piece in buffer.feed(chunk)] + buffer.end()


def join(pieces: list[Piece]) -> list[tuple[bytes, bool, bool]]:
    """Return each line as its bytes, whether it was over the limit, and whether complete."""
    joined = []
    held = b""
    for piece in pieces:
        match piece:
            case Line(data, complete):
                assert not held
                joined.append((data, False, complete))
            case Excess(data, last=False):
                held += data
            case Excess(data, last=True, complete=complete):
                joined.append((held + data, True, complete))
                held = b""
    assert not held
    return joined


@given(streams, st.lists(st.integers(0, 1000)), st.integers(1, 8))
def test_the_lines_do_not_depend_on_how_the_bytes_were_cut(
    data: bytes, places: list[int], limit: int
) -> None:
    *ended, rest = data.split(b"\n")
    expected = [(line, len(line) > limit, True) for line in ended]
    expected += [(rest, len(rest) > limit, False)] if rest else []
    assert join(read(cut(data, places), limit)) == expected


@given(streams, st.lists(st.integers(0, 1000)), st.integers(1, 8))
def test_no_more_than_the_limit_and_one_chunk_is_held(
    data: bytes, places: list[int], limit: int
) -> None:
    chunks = cut(data, places)
    longest = max(map(len, chunks))
    for piece in read(chunks, limit):
        assert len(piece.data) <= limit + longest


def test_text_shows_wrong_bytes_and_drops_the_carriage_return() -> None:
    assert Line(b"caf\xc3\xa9 \xff\r").text == "café \N{REPLACEMENT CHARACTER}"
