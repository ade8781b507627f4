from pathlib import Path

import pytest

from ingest_pipeline.media.video.presets import (
    PRESETS_FILE,
    Presets,
    PresetsError,
    load_presets,
)

PRESET = """
default = "Web"
[[preset]]
name = "Web"
container = "mp4"
max_width = 1280
max_height = 720
max_frame_rate = 30
max_seconds = 7200
max_bytes = 1000
[preset.video]
codec = "h264"
bit_rate = 1000
gop = 90
[preset.audio]
codec = "aac"
bit_rate = 160000
sample_rate = 44100
channels = 2
[preset.thumbnails]
width = 192
height = 108
every_seconds = 60
"""


def load(tmp_path: Path, text: str) -> Presets:
    path = tmp_path / "presets.toml"
    path.write_text(text)
    return load_presets(path)


def test_the_projects_own_preset_is_elastic_transcoders_web() -> None:
    web = load_presets().named()
    assert (web.name, web.container) == ("Web", "mp4")
    assert (web.max_width, web.max_height, web.max_frame_rate) == (1280, 720, 30)
    video, audio, small = web.video, web.audio, web.thumbnails
    assert (video.codec, video.profile, video.level) == ("h264", "main", "3.1")
    assert (video.bit_rate, video.gop) == (2_200_000, 90)
    assert (audio.codec, audio.bit_rate) == ("aac", 160_000)
    assert (audio.sample_rate, audio.channels) == (44_100, 2)
    assert (small.width, small.height, small.every_seconds) == (192, 108, 60)
    assert web.max_seconds * (video.bit_rate + audio.bit_rate) / 8 < web.max_bytes


def test_another_preset_is_an_entry(tmp_path: Path) -> None:
    small = PRESET.replace('default = "Web"', "").replace('"Web"', '"480p"').replace("720", "480")
    presets = load(tmp_path, PRESET + small)
    assert presets.named().name == "Web"
    assert presets.named("480p").max_height == 480
    with pytest.raises(PresetsError, match='"4K" is not one of Web, 480p'):
        presets.named("4K")


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ('default = "Web"', 'default = "4K"', 'default: "4K" is not one of Web'),
        ('default = "Web"', "", "default is missing"),
        ('default = "Web"', 'default = "Web"\nx = 1', 'unknown key "x"; known: default, preset'),
        ('name = "Web"', "", "preset 1: name is missing"),
        ('name = "Web"', 'name = ""', "preset 1: name: must not be empty"),
        (
            'container = "mp4"',
            'container = "avi"',
            'preset 1 ("Web"): container: "avi" is not one of mp4, webm',
        ),
        (
            'container = "mp4"',
            'container = "webm"',
            'preset 1 ("Web"): webm takes vp8 or vp9, not h264',
        ),
        ('codec = "aac"', 'codec = "opus"', 'preset 1 ("Web"): mp4 takes aac, not opus'),
        ("max_width = 1280", "max_width = 1", 'preset 1 ("Web"): max_width: 1 is less than 2'),
        (
            "max_width = 1280",
            'max_width = "1280"',
            'preset 1 ("Web"): max_width: "1280" is not a whole number',
        ),
        (
            "max_frame_rate = 30",
            "max_frame_rate = true",
            'preset 1 ("Web"): max_frame_rate: true is not a number',
        ),
        ("gop = 90", "gop = 0", 'preset 1 ("Web"): [video] gop: 0 is less than 1'),
        ("gop = 90", "", 'preset 1 ("Web"): [video] gop is missing'),
        (
            'codec = "h264"',
            'codec = "H264"',
            'preset 1 ("Web"): [video] codec: "H264" is not one of h264, hevc, vp8, vp9',
        ),
        (
            "channels = 2",
            "channel = 2\nchannels = 2",
            (
                'preset 1 ("Web"): [audio] unknown key "channel"; '
                "known: codec, bit_rate, sample_rate, channels"
            ),
        ),
        (
            "gop = 90",
            'gop = 90\noptions = { "-i" = "x" }',
            'preset 1 ("Web"): [video] options: "-i" is not the name of an option',
        ),
        (
            "gop = 90",
            "gop = 90\noptions = 5",
            'preset 1 ("Web"): [video] options: 5 is not a table',
        ),
        (
            "[preset.thumbnails]\nwidth = 192\nheight = 108\nevery_seconds = 60\n",
            "",
            'preset 1 ("Web"): thumbnails is missing',
        ),
    ],
)
def test_every_mistake_has_its_message(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    assert old in PRESET
    with pytest.raises(PresetsError) as caught:
        load(tmp_path, PRESET.replace(old, new, 1))
    assert str(caught.value) == f"{tmp_path / 'presets.toml'}: {wanted}"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("default = 'x'\n[preset]\n", "write each preset under [[preset]]"),
        ("default = 'x'\npreset = [5]", "preset 1: 5 is not a table"),
        (PRESET + PRESET.replace('default = "Web"', ""), 'two presets named "Web"'),
    ],
)
def test_other_mistakes_have_theirs(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(PresetsError) as caught:
        load(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'presets.toml'}: {wanted}"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = PRESET.replace("gop = 90", "gop = 0").replace("1280", "0")
    with pytest.raises(PresetsError) as caught:
        load(tmp_path, text)
    assert len(str(caught.value).splitlines()) == 2


def test_a_file_that_is_not_there_or_no_toml_is_told(tmp_path: Path) -> None:
    with pytest.raises(PresetsError, match=r"presets\.toml: No such file or directory"):
        load_presets(tmp_path / "presets.toml")
    with pytest.raises(PresetsError, match=r"presets\.toml: .*line 1"):
        load(tmp_path, "default = Web")


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("{ side = 240,", "{ size = 240,", 'rung 4: unknown key "size"; known: side, bit_rate'),
        ("{ side = 240,", "{ side = 720,", "rungs: write the largest first, each side once"),
        ('kind = "ladder"', 'kind = "file"', 'rungs belong to a preset of kind "ladder"'),
    ],
)
def test_a_ladder_that_cannot_stand_says_why(
    tmp_path: Path, old: str, new: str, wanted: str
) -> None:
    text = PRESETS_FILE.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(PresetsError) as caught:
        load(tmp_path, text.replace(old, new, 1))
    assert f'preset 2 ("Stream"): {wanted}' in str(caught.value)
