from pathlib import Path

import pytest

from ingest_pipeline.media.video.playlists import PlaylistError, read_hls, read_stream

MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="avc1.4d401f,mp4a.40.2"
media_0.m3u8
"""
MEDIA = """#EXTM3U
#EXT-X-MAP:URI="0.mp4",BYTERANGE="10@0"
#EXTINF:4.000000,
#EXT-X-BYTERANGE:20@10
0.mp4
#EXTINF:1.500000,
#EXT-X-BYTERANGE:10@30
0.mp4
#EXT-X-ENDLIST
"""
MANIFEST = """<Representation id="0"><BaseURL>0.mp4</BaseURL>
<SegmentURL mediaRange="10-29" /><SegmentURL mediaRange="30-39" /></Representation>"""


def stream(folder: Path, **changed: str) -> Path:
    texts = {"master": MASTER, "media": MEDIA, "manifest": MANIFEST} | changed
    (folder / "master.m3u8").write_text(texts["master"])
    (folder / "media_0.m3u8").write_text(texts["media"])
    (folder / "manifest.mpd").write_text(texts["manifest"])
    (folder / "0.mp4").write_bytes(bytes(40))
    return folder


def test_a_stream_is_as_long_as_its_segments(tmp_path: Path) -> None:
    found = read_stream(stream(tmp_path), "master.m3u8", "manifest.mpd")
    assert (found.playlists, found.seconds, found.bit_rate) == (("media_0.m3u8",), 5.5, 1000)


def test_hls_alone_is_read_from_anywhere_and_a_range_may_leave_out_where_it_begins() -> None:
    texts = {
        "master.m3u8": MASTER,
        "media_0.m3u8": MEDIA.replace("20@10", "30@0").replace("10@30", "10"),
    }
    sizes = {name: len(text) for name, text in texts.items()} | {"0.mp4": 40}
    found = read_hls(texts.__getitem__, sizes, "master.m3u8")
    assert (found.files, found.rungs, found.seconds) == (("0.mp4",), 1, 5.5)
    with pytest.raises(PlaylistError, match=r"0\.mp4 has 41 bytes, its segments end at 40"):
        read_hls(texts.__getitem__, sizes | {"0.mp4": 41}, "master.m3u8")
    del sizes["0.mp4"]
    with pytest.raises(PlaylistError, match=r"names 0\.mp4, which is not there"):
        read_hls(texts.__getitem__, sizes, "master.m3u8")


@pytest.mark.parametrize(
    ("part", "old", "new", "problem"),
    [
        ("master", "media_0", "media_1", "media_1.m3u8 cannot be read"),
        ("master", "media_0.m3u8", "../media_0.m3u8", "no name of a file beside it"),
        ("master", "#EXT-X-STREAM-INF", "#EXT-X-OTHER", "names no rung"),
        ("media", "0.mp4\n#EXT", "9.mp4\n#EXT", "9.mp4, which is not there"),
        ("media", "10@30", "10@31", "leaves out a part"),
        ("media", "10@30", "9@30", "0.mp4 has 40 bytes, its segments end at 39"),
        ("media", "#EXT-X-ENDLIST\n", "", "no end"),
        ("media", "1.500000", "long", "no length"),
        ("manifest", "30-39", "30-38", "names other segments"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, part: str, old: str, new: str, problem: str
) -> None:
    text = {"master": MASTER, "media": MEDIA, "manifest": MANIFEST}[part].replace(old, new)
    with pytest.raises(PlaylistError, match=problem):
        read_stream(stream(tmp_path, **{part: text}), "master.m3u8", "manifest.mpd")
