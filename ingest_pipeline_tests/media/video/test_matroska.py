import io

import pytest

from ingest_pipeline.media.video.matroska import Header, elements, read_header

EBML, SEGMENT, INFO, TRACKS, CLUSTER, VOID = (
    bytes.fromhex(name)
    for name in ("1a45dfa3", "18538067", "1549a966", "1654ae6b", "1f43b675", "ec")
)
TRACK, ENCODINGS, ENCODING, COMPRESSION, ENCRYPTION = (
    bytes.fromhex(name) for name in ("ae", "6d80", "6240", "5034", "5035")
)
ENDLESS = b"\x01" + b"\xff" * 7


class Memory(io.BytesIO):
    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.size = len(content)

    def read_at(self, offset: int, size: int, /) -> bytes:
        self.seek(offset)
        return self.read(size)


def element(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return name + (0x4000 | len(body)).to_bytes(2, "big") + body


def read(content: bytes) -> Header:
    found = read_header(Memory(content))
    assert found is not None
    return found


HEAD = element(EBML, b"webm")
TRACK_LIST = element(TRACKS, element(TRACK, b"\xd7\x81\x01"))
CLUSTERS = element(CLUSTER, b"packets") * 2


def test_the_header_is_what_opens_the_packets_that_follow() -> None:
    start = element(INFO, b"times")
    others = element(VOID, bytes(9000))
    content = HEAD + element(SEGMENT, start, others, TRACK_LIST, CLUSTERS)
    assert read(content) == Header(
        content=HEAD + SEGMENT + ENDLESS + start + TRACK_LIST,
        declared_end=len(content),
        is_encrypted=False,
        first_cluster=content.index(CLUSTER),
    )


@pytest.mark.parametrize(
    ("segment", "cut", "declared_end"),
    [
        (element(SEGMENT, TRACK_LIST, CLUSTERS), 0, 54),
        (element(SEGMENT, TRACK_LIST, CLUSTERS), 10, 54),
        (element(SEGMENT, TRACK_LIST, CLUSTERS), 25, 54),  # no cluster is left
        (element(SEGMENT, TRACK_LIST, CLUSTERS) + b"behind it", 0, 54),
        (SEGMENT + ENDLESS + TRACK_LIST + CLUSTERS, 10, None),
        (SEGMENT + b"\xff" + TRACK_LIST + CLUSTERS, 10, None),
    ],
)
def test_it_tells_where_the_file_ends_if_it_knows(
    segment: bytes, cut: int, declared_end: int | None
) -> None:
    content = HEAD + segment
    assert read(content[: len(content) - cut]).declared_end == declared_end


@pytest.mark.parametrize(
    ("encoding", "is_encrypted"), [(ENCRYPTION, True), (COMPRESSION, False), (TRACK, False)]
)
def test_tracks_that_need_a_key_are_told(encoding: bytes, *, is_encrypted: bool) -> None:
    encodings = element(ENCODINGS, element(ENCODING, element(encoding, b"\x00")))
    tracks = element(TRACKS, element(TRACK, b"\xd7\x81\x01"), element(TRACK, encodings))
    found = read(HEAD + element(SEGMENT, tracks, CLUSTERS))
    assert found.is_encrypted is is_encrypted


@pytest.mark.parametrize(
    "content",
    [b"", HEAD, element(SEGMENT, TRACK_LIST), HEAD + CLUSTERS, HEAD[:3], bytes(100), b"\xff" * 100],
)
def test_what_is_no_matroska_has_no_header(content: bytes) -> None:
    assert read_header(Memory(content)) is None


def test_a_header_that_is_nested_without_end_is_none() -> None:
    nested = b""
    for _ in range(2000):
        nested = element(TRACK, nested)
    assert not read(HEAD + element(SEGMENT, element(TRACKS, nested))).is_encrypted


def test_elements_end_where_their_sizes_make_no_sense() -> None:
    content = element(VOID, b"x") + b"\x00\x00" + element(VOID, b"y")
    found = elements(Memory(content), 0, len(content))
    assert [(each.name, each.start, each.body, each.end) for each in found] == [(VOID, 0, 3, 4)]
