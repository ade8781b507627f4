from pathlib import Path

import pytest
from pydantic import JsonValue

import ingest_pipeline
from ingest_pipeline.media.model import AudioInfo, ImageInfo, Kind, Probe, Reason, VideoInfo
from ingest_pipeline.media.probe import PROBED
from ingest_pipeline.media.rules.judge import judge
from ingest_pipeline.media.rules.sources import (
    OnReject,
    RulesError,
    Source,
    Sources,
    load_sources,
)
from ingest_pipeline.records.model import Verdict

SOURCE = '[[source]]\nbucket = "b"\nkinds = ["audio"]\n'


def load(tmp_path: Path, text: str) -> Sources:
    path = tmp_path / "sources.toml"
    path.write_text(text)
    return load_sources(path)


def source_with(tmp_path: Path, rules: str) -> Source:
    return load(tmp_path, f"{SOURCE}[source.audio]\n{rules}\n").source[0]


def audio(**changes: JsonValue) -> Probe:
    info = {
        "channel_count": 2,
        "frame_count": 96_000,
        "sample_rate": 48_000,
        "bits_per_sample": 24,
        "duration": "2.0",
        "block_align": 6,
        "sample_format": "int",
        "data_bytes": 576_000,
    }
    found = AudioInfo.model_validate(info | changes)
    return Probe(kind=Kind.AUDIO, container="wav", codec="pcm", audio=found)


# --- loading --------------------------------------------------------------------------------------


def test_the_projects_own_file_says_what_the_contract_says() -> None:
    sources = load_sources(Path(ingest_pipeline.__file__).with_name("sources.toml"))
    source = sources.for_object("ingest", "any/key.wav")
    assert source is not None
    assert source.on_reject is OnReject.DELETE
    assert judge(audio(), source).verdict is Verdict.VALID
    found = judge(audio(sample_rate=44_100, bits_per_sample=16), source)
    assert [str(reason) for reason in found.reasons] == [
        "sample_rate 44100, wanted 48000",
        "bits_per_sample 16, wanted 24",
    ]


def test_the_longest_prefix_of_the_bucket_wins(tmp_path: Path) -> None:
    sources = load(
        tmp_path,
        '[[source]]\nbucket = "b"\nkinds = ["audio"]\n'
        '[[source]]\nbucket = "b"\nprefix = "raw/"\nkinds = ["video"]\n'
        '[[source]]\nbucket = "b"\nprefix = "raw/x"\nkinds = ["image"]\non_reject = "keep"\n'
        '[[source]]\nbucket = "c"\nprefix = "only/"\nkinds = ["other"]\n',
    )
    found = {
        (bucket, key): source.kinds[0] if source else None
        for bucket, key in [("b", "a"), ("b", "raw/a"), ("b", "raw/xy"), ("c", "a"), ("d", "a")]
        for source in [sources.for_object(bucket, key)]
    }
    assert list(found.values()) == [Kind.AUDIO, Kind.VIDEO, Kind.IMAGE, None, None]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "no [[source]] in it"),
        ("source = []", "no [[source]] in it"),
        ("sources = 1\n" + SOURCE, 'unknown key "sources"; known: source'),
        ("[source]\nbucket = 'b'", "write each source under [[source]]"),
        ('[[source]]\nkinds = ["audio"]', "source 1: bucket is missing"),
        ('[[source]]\nbucket = "b"', 'source 1 (bucket "b"): kinds is missing'),
        ('[[source]]\nbucket = ""\nkinds = ["audio"]', "source 1: bucket: must not be empty"),
        (
            '[[source]]\nbucket = 7\nkinds = ["audio"]',
            'source 1 (bucket "7"): bucket: 7 is not a text',
        ),
        (
            '[[source]]\nbucket = "b"\nkinds = []',
            'source 1 (bucket "b"): kinds: must not be empty',
        ),
        (
            '[[source]]\nbucket = "b"\nkinds = "audio"',
            'source 1 (bucket "b"): kinds: "audio" is not a list',
        ),
        (
            '[[source]]\nbucket = "b"\nkinds = ["audio", "sound"]',
            'source 1 (bucket "b"): kinds: "sound" is not one of audio, image, other, video',
        ),
        (
            '[[source]]\nbucket = "b"\nkinds = ["empty"]',
            'source 1 (bucket "b"): kinds: "empty" is not one of audio, image, other, video',
        ),
        (
            f'{SOURCE}on_reject = "destroy"',
            'source 1 (bucket "b"): on_reject: "destroy" is not one of delete, keep, quarantine',
        ),
        (
            f"{SOURCE}on_rejct = 1",
            (
                'source 1 (bucket "b"): unknown key "on_rejct"; '
                "known: bucket, prefix, kinds, on_reject, watched, audio, video, image"
            ),
        ),
        (
            f"{SOURCE}{SOURCE}",
            'source 2 (bucket "b"): the same bucket and prefix "" as source 1',
        ),
        (
            f'{SOURCE}[[source]]\nbucket = "x"\nkinds = ["audio"]\n[source.audio]\nsample_rte = 1',
            (
                'source 2 (bucket "x"): [audio] unknown rule "sample_rte"; known: container, '
                "codec, sample_format, channel_count, sample_rate, bits_per_sample, valid_bits, "
                "frame_count, duration_seconds"
            ),
        ),
    ],
)
def test_every_mistake_in_the_file_has_its_message(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(RulesError) as caught:
        load(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'sources.toml'}: {wanted}"


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
        ("container = 'mp3'", 'container: "mp3" is not one of bw64, rf64, wav'),
        ("container = 7", "container: 7 is not one of bw64, rf64, wav"),
        ("container = { min = 1 }", 'container: {"min": 1} is not one of bw64, rf64, wav'),
    ],
)
def test_every_mistake_in_a_rule_has_its_message(tmp_path: Path, rule: str, wanted: str) -> None:
    with pytest.raises(RulesError) as caught:
        source_with(tmp_path, rule)
    assert (
        str(caught.value) == f'{tmp_path / "sources.toml"}: source 1 (bucket "b"): [audio] {wanted}'
    )


def test_a_misspelt_codec_rejects_nothing_but_the_file(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r'codec: "pmc" is not one of aac .*, pcm, pcm_float, '):
        source_with(tmp_path, "codec = 'pmc'")


def test_audio_that_is_no_table_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r'source 1 \(bucket "b"\): \[audio\] 5 is not a table$'):
        load(tmp_path, f"{SOURCE}audio = 5")


def test_a_source_that_is_no_table_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"source 1: 5 is not a table$"):
        load(tmp_path, "source = [5]")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RulesError) as caught:
        source_with(tmp_path, "sample_rte = 1\nsample_rate = 'x'")
    assert len(str(caught.value).splitlines()) == 2


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"sources\.toml: .*\(at line 3, column 9\)"):
        load(tmp_path, '[[source]]\nbucket = "b"\nkinds = audio\n')


def test_a_file_that_is_no_text_or_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sources.toml"
    with pytest.raises(RulesError, match=r"sources\.toml: No such file or directory"):
        load_sources(path)
    path.write_bytes(b"bucket = \xff")
    with pytest.raises(RulesError, match=r"sources\.toml: .*can't decode byte 0xff"):
        load_sources(path)


# --- judging --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("sample_rate = 48000", None),
        ("sample_rate = 44100", "sample_rate 48000, wanted 44100"),
        ("sample_rate = [44100, 48000]", None),
        ("sample_rate = [44100, 96000]", "sample_rate 48000, wanted 44100 or 96000"),
        ("sample_rate = [1, 2, 3]", "sample_rate 48000, wanted 1, 2 or 3"),
        ("channel_count = { min = 2, max = 2 }", None),
        ("channel_count = { min = 3, max = 8 }", "channel_count 2, wanted 3 to 8"),
        ("channel_count = { max = 1 }", "channel_count 2, wanted at most 1"),
        ("frame_count = { min = 1 }", None),
        ("frame_count = { min = 96001 }", "frame_count 96000, wanted at least 96001"),
        ("bits_per_sample = 16", "bits_per_sample 24, wanted 16"),
        ("valid_bits = 24", None),
        ("valid_bits = 20", "valid_bits 24, wanted 20"),
        ("duration_seconds = 2", None),
        ("duration_seconds = { min = 2.5 }", "duration_seconds 2.0, wanted at least 2.5"),
        ("container = 'wav'", None),
        ("container = ['rf64', 'bw64']", "container wav, wanted rf64 or bw64"),
        ("codec = 'pcm_float'", "codec pcm, wanted pcm_float"),
        ("sample_format = 'float'", "sample_format int, wanted float"),
    ],
)
def test_a_rule_is_met_or_named(tmp_path: Path, rule: str, wanted: str | None) -> None:
    found = judge(audio(), source_with(tmp_path, rule))
    assert found.verdict is (Verdict.VALID if wanted is None else Verdict.REJECTED)
    assert [str(reason) for reason in found.reasons] == ([wanted] if wanted else [])


def test_one_wanted_number_stays_a_number(tmp_path: Path) -> None:
    (reason,) = judge(audio(), source_with(tmp_path, "sample_rate = [44100]")).reasons
    assert reason == Reason(rule="sample_rate", found=48_000, wanted=44_100)


def test_the_valid_bits_of_the_header_come_first(tmp_path: Path) -> None:
    source = source_with(tmp_path, "valid_bits = 24")
    wide = {"bits_per_sample": 32, "block_align": 8}
    assert judge(audio(valid_bits=24, **wide), source).verdict is Verdict.VALID
    assert judge(audio(valid_bits=32, **wide), source).verdict is Verdict.REJECTED


def test_faults_and_broken_rules_are_all_told(tmp_path: Path) -> None:
    fault = Reason(rule="complete", found="half of it", wanted="all of it")
    probe = audio().model_copy(update={"faults": (fault,)})
    found = judge(probe, source_with(tmp_path, "sample_rate = 1\nbits_per_sample = 2"))
    assert found.verdict is Verdict.REJECTED
    assert [r.rule for r in found.reasons] == ["complete", "sample_rate", "bits_per_sample"]


def test_a_fault_alone_rejects_even_without_a_format(tmp_path: Path) -> None:
    fault = Reason(rule="fmt", found="missing", wanted="a fmt chunk")
    probe = Probe(kind=Kind.AUDIO, container="wav", faults=(fault,))
    found = judge(probe, source_with(tmp_path, "sample_rate = 48000"))
    assert (found.verdict, found.reasons) == (Verdict.REJECTED, (fault,))


THREE_KINDS = SOURCE.replace('["audio"]', '["audio", "video", "image"]')


@pytest.mark.parametrize(
    ("probe", "verdict", "wanted"),
    [
        (Probe(kind=Kind.EMPTY), Verdict.REJECTED, "size 0, wanted at least 1 byte"),
        (
            Probe(kind=Kind.OTHER, container="text"),
            Verdict.REJECTED,
            "kind other (text), wanted audio, video or image",
        ),
        (Probe(kind=Kind.OTHER), Verdict.REJECTED, "kind other, wanted audio, video or image"),
        (
            Probe(kind=Kind.IMAGE, container="heic", probed=False),
            Verdict.UNJUDGED,
            f"probe image/heic, wanted a kind that is probed: {', '.join(PROBED)}",
        ),
    ],
)
def test_a_kind_is_judged_before_its_inside(
    tmp_path: Path, probe: Probe, verdict: Verdict, wanted: str
) -> None:
    found = judge(probe, load(tmp_path, THREE_KINDS).source[0])
    assert (found.verdict, [str(reason) for reason in found.reasons]) == (verdict, [wanted])


def test_an_unwanted_kind_is_rejected_though_it_is_not_probed(tmp_path: Path) -> None:
    image = Probe(kind=Kind.IMAGE, container="jpeg", probed=False)
    found = judge(image, load(tmp_path, SOURCE).source[0])
    assert [str(reason) for reason in found.reasons] == ["kind image (jpeg), wanted audio"]


def test_other_files_are_valid_where_a_source_takes_them(tmp_path: Path) -> None:
    source = load(tmp_path, SOURCE.replace("audio", "other")).source[0]
    assert judge(Probe(kind=Kind.OTHER, container="pdf"), source).verdict is Verdict.VALID


# --- video ----------------------------------------------------------------------------------------


def video(**changes: JsonValue) -> Probe:
    info = {
        "duration_seconds": 12.5,
        "width": 1920,
        "height": 1080,
        "display_width": 1920,
        "display_height": 1080,
        "frame_rate": 29.97,
        "video_codec": "h264",
        "audio_codec": "aac",
        "video_streams": 1,
        "audio_streams": 1,
    }
    found = VideoInfo.model_validate(info | changes)
    return Probe(kind=Kind.VIDEO, container="mp4", codec=found.video_codec, video=found)


SOUND_ONLY = video(
    video_streams=0,
    video_codec=None,
    width=None,
    height=None,
    display_width=None,
    display_height=None,
    frame_rate=None,
)


def video_source(tmp_path: Path, rules: str) -> Source:
    text = f'[[source]]\nbucket = "b"\nkinds = ["video"]\n[source.video]\n{rules}\n'
    return load(tmp_path, text).source[0]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("container = 'mp4'", None),
        ("container = ['webm', 'matroska']", "container mp4, wanted webm or matroska"),
        ("has_video = true", None),
        ("has_video = false", "has_video true, wanted false"),
        ("video_codec = ['h264', 'hevc']", None),
        ("video_codec = 'av1'", "video_codec h264, wanted av1"),
        ("audio_codec = 'none'", "audio_codec aac, wanted none"),
        ("duration_seconds = { max = 12.5 }", None),
        ("duration_seconds = { max = 12 }", "duration_seconds 12.5, wanted at most 12"),
        ("width = { min = 1921 }", "width 1920, wanted at least 1921"),
        ("height = [720, 1080]", None),
        ("pixels = { max = 1000 }", "pixels 2073600, wanted at most 1000"),
        ("frame_rate = 29.97", None),
        ("frame_rate = [24, 25]", "frame_rate 29.97, wanted 24 or 25"),
    ],
)
def test_a_rule_of_video_is_met_or_named(tmp_path: Path, rule: str, wanted: str | None) -> None:
    found = judge(video(), video_source(tmp_path, rule))
    assert found.verdict is (Verdict.VALID if wanted is None else Verdict.REJECTED)
    assert [str(reason) for reason in found.reasons] == ([wanted] if wanted else [])


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
                "duration_seconds, width, height, pixels, frame_rate"
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


def test_what_a_video_does_not_tell_meets_no_rule(tmp_path: Path) -> None:
    source = video_source(tmp_path, "duration_seconds = { max = 9 }\naudio_codec = 'none'")
    found = judge(video(duration_seconds=None, audio_codec=None), source)
    assert [str(reason) for reason in found.reasons] == ["duration_seconds none, wanted at most 9"]


def test_the_projects_own_rules_for_video() -> None:
    sources = load_sources(Path(ingest_pipeline.__file__).with_name("sources.toml"))
    source = sources.for_object("ingest", "any/key.webm")
    assert source is not None
    assert judge(video(), source).verdict is Verdict.VALID
    assert judge(video(width=8192, height=4320), source).verdict is Verdict.VALID
    assert [str(reason) for reason in judge(video(width=8193, height=4320), source).reasons] == [
        "pixels 35393760, wanted at most 35389440"
    ]
    assert [r.rule for r in judge(video(duration_seconds=14_401), source).reasons] == [
        "duration_seconds"
    ]
    assert [str(reason) for reason in judge(SOUND_ONLY, source).reasons] == [
        "has_video false, wanted true",
        "pixels none, wanted at most 35389440",
    ]


def test_the_rules_of_audio_do_not_judge_video(tmp_path: Path) -> None:
    text = '[[source]]\nbucket = "b"\nkinds = ["audio", "video"]\n[source.audio]\ncodec = "pcm"\n'
    source = load(tmp_path, f"{text}[source.video]\nvideo_codec = 'vp8'").source[0]
    assert judge(audio(), source).verdict is Verdict.VALID
    assert [r.rule for r in judge(video(), source).reasons] == ["video_codec"]


def test_the_faults_of_a_video_reject_it(tmp_path: Path) -> None:
    fault = Reason(rule="header", found="moov atom not found", wanted="a header that can be read")
    broken = Probe(kind=Kind.VIDEO, container="mp4", faults=(fault,))
    assert judge(broken, video_source(tmp_path, "has_video = true")).reasons == (fault,)


# --- images ---------------------------------------------------------------------------------------


def image(**changes: JsonValue) -> Probe:
    info = {"width": 4000, "height": 3000, "mode": "RGB"}
    found = ImageInfo.model_validate(info | changes)
    return Probe(kind=Kind.IMAGE, container="jpeg", image=found)


def image_source(tmp_path: Path, rules: str) -> Source:
    text = f'[[source]]\nbucket = "b"\nkinds = ["image"]\n[source.image]\n{rules}\n'
    return load(tmp_path, text).source[0]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("format = 'jpeg'", None),
        ("format = ['png', 'webp']", "format jpeg, wanted png or webp"),
        ("width = { max = 3999 }", "width 4000, wanted at most 3999"),
        ("height = 3000", None),
        ("shortest_side = { min = 3001 }", "shortest_side 3000, wanted at least 3001"),
        ("longest_side = { max = 4000 }", None),
        ("longest_side = { max = 1920 }", "longest_side 4000, wanted at most 1920"),
        ("pixels = { max = 12_000_000 }", None),
        ("pixels = { max = 11_999_999 }", "pixels 12000000, wanted at most 11999999"),
        ("frames = 1", None),
        ("frames = { min = 2 }", "frames 1, wanted at least 2"),
    ],
)
def test_a_rule_of_images_is_met_or_named(tmp_path: Path, rule: str, wanted: str | None) -> None:
    found = judge(image(), image_source(tmp_path, rule))
    assert found.verdict is (Verdict.VALID if wanted is None else Verdict.REJECTED)
    assert [str(reason) for reason in found.reasons] == ([wanted] if wanted else [])


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("format = 'heic'", 'format: "heic" is not one of bmp, gif, jpeg, png, tiff, webp'),
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


@pytest.mark.parametrize("bucket", ["ingest", "ingest-photos"])
def test_the_projects_own_rules_for_images(bucket: str) -> None:
    sources = load_sources(Path(ingest_pipeline.__file__).with_name("sources.toml"))
    source = sources.for_object(bucket, "any/key.jpg")
    assert source is not None
    assert judge(image(), source).verdict is Verdict.VALID
    assert [str(reason) for reason in judge(image(width=30_000, height=10), source).reasons] == [
        "shortest_side 10, wanted at least 16"
    ]
    huge = judge(image(width=30_000, height=30_000), source)
    assert [str(reason) for reason in huge.reasons] == ["pixels 900000000, wanted at most 50000000"]


def test_an_image_that_cannot_be_decoded_is_rejected_for_that(tmp_path: Path) -> None:
    fault = Reason(rule="decodable", found="truncated", wanted="an image that can be decoded")
    broken = Probe(kind=Kind.IMAGE, container="gif", faults=(fault,))
    found = judge(broken, image_source(tmp_path, "format = 'png'\nwidth = 5"))
    assert [reason.rule for reason in found.reasons] == ["decodable", "format"]


def test_an_image_too_large_to_be_looked_into_is_left_alone(tmp_path: Path) -> None:
    fault = Reason(rule="size", found=10**9, wanted="at most 5 bytes")
    large = Probe(kind=Kind.IMAGE, container="tiff", probed=False, faults=(fault,))
    found = judge(large, image_source(tmp_path, "width = 5"))
    assert (found.verdict, found.reasons) == (Verdict.UNJUDGED, (fault,))
