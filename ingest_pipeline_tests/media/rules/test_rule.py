from pathlib import Path

import pytest

from ingest_pipeline.media.rules.sources import RulesError
from ingest_pipeline_tests.media.rules.sources import image_source, source_with, video_source

SOUND = (
    "3gp, aac, aifc, aiff, asf, au, avi, bw64, caf, flac, flv, m4a, matroska, mov, mp1, mp2, mp3, "
    "mp4, mpeg-ps, mpeg-ts, ogg, rf64, rifx, w64, wav, webm"
)


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ('sample_rate = "48000"', 'sample_rate: "48000" is not a whole number'),
        ("sample_rate = 48000.5", "sample_rate: 48000.5 is not a whole number"),
        ("sample_rate = true", "sample_rate: true is not a whole number"),
        ("sample_rate = []", "sample_rate: an empty list allows nothing"),
        ("sample_rate = [1, 'x']", 'sample_rate: "x" is not a whole number'),
        ("sample_rate = {}", "sample_rate: a range has min, max or both, not nothing"),
        ("sample_rate = { mn = 1 }", "sample_rate: a range has min, max or both, not mn"),
        ("sample_rate = { min = 'x' }", 'sample_rate: "x" is not a whole number'),
        ("sample_rate = { min = 2, max = 1 }", "sample_rate: min 2 is greater than max 1"),
        ("sample_rate = 2026-01-01", 'sample_rate: "2026-01-01" is not a whole number'),
        ("duration_seconds = nan", "duration_seconds: NaN is not a number"),
        ("duration_seconds = '2'", 'duration_seconds: "2" is not a number'),
        ("sample_format = 'real'", 'sample_format: "real" is not one of float, int'),
        ("container = 'jpeg'", f'container: "jpeg" is not one of {SOUND}'),
        ("container = 7", f"container: 7 is not one of {SOUND}"),
        ("container = { min = 1 }", f'container: {{"min": 1}} is not one of {SOUND}'),
    ],
)
def test_every_mistake_in_a_rule_has_its_message(tmp_path: Path, rule: str, wanted: str) -> None:
    with pytest.raises(RulesError) as caught:
        source_with(tmp_path, rule)
    assert (
        str(caught.value) == f'{tmp_path / "sources.toml"}: source 1 (bucket "b"): [audio] {wanted}'
    )


def test_a_misspelt_codec_rejects_nothing_but_the_file(tmp_path: Path) -> None:
    with pytest.raises(
        RulesError, match=r'codec: "pmc" is not one of aac, aac .*, pcm, pcm_float, '
    ):
        source_with(tmp_path, "codec = 'pmc'")


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("has_video = 1", "has_video: 1 is not true or false"),
        ("video_codec = 'H264'", 'video_codec: "H264" is not a name in lower case'),
        ("audio_codec = [7]", "audio_codec: 7 is not a name in lower case"),
        ("audio_codec = []", "audio_codec: an empty list allows nothing"),
        ("width = 1.5", "width: 1.5 is not a whole number"),
        ("pixels = { most = 5 }", "pixels: a range has min, max or both, not most"),
        ("frame_rate = '30'", 'frame_rate: "30" is not a number'),
        (
            "container = 'mp3'",
            (
                'container: "mp3" is not one of 3gp, asf, avi, flv, matroska, mov, mp4, mpeg-ps, '
                "mpeg-ts, ogg, webm"
            ),
        ),
        (
            "fps = 30",
            (
                'unknown rule "fps"; known: container, has_video, video_codec, audio_codec, '
                "duration_seconds, width, height, pixels, pixel_seconds, frame_rate"
            ),
        ),
    ],
)
def test_every_mistake_in_a_rule_of_video_has_its_message(
    tmp_path: Path, rule: str, wanted: str
) -> None:
    with pytest.raises(RulesError) as caught:
        video_source(tmp_path, rule)
    place = f'{tmp_path / "sources.toml"}: source 1 (bucket "b"): [video]'
    assert str(caught.value) == f"{place} {wanted}"


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (
            "format = 'jxl'",
            'format: "jxl" is not one of avif, bmp, dib, gif, heic, jpeg, png, tiff, webp',
        ),
        ("pixels = 1.5", "pixels: 1.5 is not a whole number"),
        (
            "colour = 'red'",
            (
                'unknown rule "colour"; known: format, width, height, shortest_side, '
                "longest_side, pixels, frames"
            ),
        ),
    ],
)
def test_every_mistake_in_a_rule_of_images_has_its_message(
    tmp_path: Path, rule: str, wanted: str
) -> None:
    with pytest.raises(RulesError) as caught:
        image_source(tmp_path, rule)
    place = f'{tmp_path / "sources.toml"}: source 1 (bucket "b"): [image]'
    assert str(caught.value) == f"{place} {wanted}"
