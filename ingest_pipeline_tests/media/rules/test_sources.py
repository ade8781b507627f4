from pathlib import Path

import pytest

import ingest_pipeline
from ingest_pipeline.media.model import Kind
from ingest_pipeline.media.rules.judge import judge
from ingest_pipeline.media.rules.sources import OnReject, RulesError, load_sources
from ingest_pipeline.records.model import Verdict
from ingest_pipeline_tests.media.rules.sources import (
    SOUND_ONLY,
    SOURCE,
    audio,
    image,
    load,
    source_with,
    video,
)


def test_the_projects_own_file_says_what_the_contract_says() -> None:
    sources = load_sources(Path(ingest_pipeline.__file__).with_name("sources.toml"))
    source = sources.for_object("ingest", "any/key.wav")
    assert source is not None
    assert source.on_reject is OnReject.DELETE
    assert judge(audio(), source).verdict is Verdict.VALID
    assert judge(audio(channel_count=128), source).verdict is Verdict.VALID
    assert [str(reason) for reason in judge(audio(channel_count=1025), source).reasons] == [
        "channel_count 1025, wanted at most 1024"
    ]
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
                "known: bucket, prefix, kinds, on_reject, watched, transcripts, "
                "presets, audio, video, image"
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
                "frame_count, duration_seconds, integrated_loudness, true_peak, clipped_samples, "
                "leading_silence_seconds, trailing_silence_seconds, dc_offset"
            ),
        ),
    ],
)
def test_every_mistake_in_the_file_has_its_message(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(RulesError) as caught:
        load(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'sources.toml'}: {wanted}"


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


@pytest.mark.parametrize(
    ("container", "codec", "bits", "reasons"),
    [
        ("wav", "pcm", 24, []),
        ("bw64", "pcm", 24, []),
        (
            "flac",
            "flac",
            24,
            ["container flac, wanted wav, rf64 or bw64", "codec flac, wanted pcm"],
        ),
        ("aiff", "pcm", 24, ["container aiff, wanted wav, rf64 or bw64"]),
        (
            "mp3",
            "mp3",
            None,
            [
                "container mp3, wanted wav, rf64 or bw64",
                "codec mp3, wanted pcm",
                "bits_per_sample none, wanted 24",
            ],
        ),
    ],
)
def test_the_projects_own_rules_for_audio(
    container: str, codec: str, bits: int | None, reasons: list[str]
) -> None:
    sources = load_sources(Path(ingest_pipeline.__file__).with_name("sources.toml"))
    found = audio(bits_per_sample=bits).model_copy(update={"container": container, "codec": codec})
    ingest, sessions, videos = (
        sources.for_object(bucket, "any/key") for bucket in ("ingest", "sessions", "ingest-videos")
    )
    assert ingest is not None
    assert [str(reason) for reason in judge(found, ingest).reasons] == reasons
    assert sessions is not None
    assert judge(found, sessions).verdict is Verdict.VALID
    assert videos is not None
    assert [str(reason) for reason in judge(found, videos).reasons] == [
        f"kind audio ({container}), wanted video"
    ]


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
    for width, height, seconds in ((1920, 1088, 14_400), (4096, 2160, 3600), (8192, 4320, 900)):
        long = video(width=width, height=height, duration_seconds=seconds)
        assert judge(long, source).verdict is Verdict.VALID
    costly = video(width=7680, height=4320, duration_seconds=14_000)
    assert [str(reason) for reason in judge(costly, source).reasons] == [
        "pixel_seconds 464486400000.0, wanted at most 32000000000"
    ]
    assert [str(reason) for reason in judge(SOUND_ONLY, source).reasons] == [
        "has_video false, wanted true",
        "pixels none, wanted at most 35389440",
    ]


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
