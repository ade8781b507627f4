from pathlib import Path

import pytest

from ingest_pipeline.media.model import Kind, Probe, Reason
from ingest_pipeline.media.probe import PROBED
from ingest_pipeline.media.rules.judge import judge
from ingest_pipeline.records.model import Verdict
from ingest_pipeline_tests.media.rules.sources import (
    SOURCE,
    THREE_KINDS,
    audio,
    image,
    image_source,
    load,
    sounding,
    source_with,
    video,
    video_source,
)


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


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("integrated_loudness = { min = -24, max = -22 }", None),
        ("integrated_loudness = { max = -24 }", "integrated_loudness -23.1, wanted at most -24"),
        ("true_peak = { max = -1 }", None),
        ("true_peak = { max = -2.0 }", "true_peak -1.5, wanted at most -2.0"),
        ("clipped_samples = { max = 3 }", None),
        ("clipped_samples = 0", "clipped_samples 3, wanted 0"),
        ("leading_silence_seconds = { max = 1.5 }", None),
        ("leading_silence_seconds = { max = 1 }", "leading_silence_seconds 1.5, wanted at most 1"),
        ("trailing_silence_seconds = { min = 0.5 }", None),
        (
            "trailing_silence_seconds = { min = 1 }",
            "trailing_silence_seconds 0.7, wanted at least 1",
        ),
        ("dc_offset = { max = 0.01 }", None),
        ("dc_offset = { max = 0.001 }", "dc_offset 0.01, wanted at most 0.001"),
    ],
)
def test_a_rule_on_quality_is_met_or_named(tmp_path: Path, rule: str, wanted: str | None) -> None:
    source = source_with(tmp_path, rule)
    assert source.audio.need_quality
    found = judge(sounding(), source)
    assert found.verdict is (Verdict.VALID if wanted is None else Verdict.REJECTED)
    assert [str(reason) for reason in found.reasons] == ([wanted] if wanted else [])


def test_silence_has_no_loudness_to_meet_a_rule(tmp_path: Path) -> None:
    silent = sounding(integrated_loudness=None, true_peak=None)
    found = judge(silent, source_with(tmp_path, "integrated_loudness = { max = -10 }"))
    assert [str(each) for each in found.reasons] == ["integrated_loudness none, wanted at most -10"]


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
        ("pixel_seconds = { max = 25_920_000 }", None),
        (
            "pixel_seconds = { max = 25_919_999 }",
            "pixel_seconds 25920000.0, wanted at most 25919999",
        ),
        ("frame_rate = 29.97", None),
        ("frame_rate = [24, 25]", "frame_rate 29.97, wanted 24 or 25"),
    ],
)
def test_a_rule_of_video_is_met_or_named(tmp_path: Path, rule: str, wanted: str | None) -> None:
    found = judge(video(), video_source(tmp_path, rule))
    assert found.verdict is (Verdict.VALID if wanted is None else Verdict.REJECTED)
    assert [str(reason) for reason in found.reasons] == ([wanted] if wanted else [])


def test_what_a_video_does_not_tell_meets_no_rule(tmp_path: Path) -> None:
    source = video_source(tmp_path, "duration_seconds = { max = 9 }\naudio_codec = 'none'")
    found = judge(video(duration_seconds=None, audio_codec=None), source)
    assert [str(reason) for reason in found.reasons] == ["duration_seconds none, wanted at most 9"]


def test_the_rules_of_audio_do_not_judge_video(tmp_path: Path) -> None:
    text = '[[source]]\nbucket = "b"\nkinds = ["audio", "video"]\n[source.audio]\ncodec = "pcm"\n'
    source = load(tmp_path, f"{text}[source.video]\nvideo_codec = 'vp8'").source[0]
    assert judge(audio(), source).verdict is Verdict.VALID
    assert [r.rule for r in judge(video(), source).reasons] == ["video_codec"]


def test_the_faults_of_a_video_reject_it(tmp_path: Path) -> None:
    fault = Reason(rule="header", found="moov atom not found", wanted="a header that can be read")
    broken = Probe(kind=Kind.VIDEO, container="mp4", faults=(fault,))
    assert judge(broken, video_source(tmp_path, "has_video = true")).reasons == (fault,)


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
