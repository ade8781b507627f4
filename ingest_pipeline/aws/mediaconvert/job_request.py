"""What MediaConvert is asked for: a preset in its words."""

from typing import Any
from urllib.parse import quote

from ingest_pipeline.aws.mediaconvert.limits import LEAST_SIDE, level_name, profile_name
from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.media.video.ladder import MASTER, rung_presets
from ingest_pipeline.media.video.presets import (
    AudioEncoding,
    Preset,
    VideoEncoding,
)
from ingest_pipeline.records.model import (
    TranscodeJob,
)

_POSTER_SECONDS = 3  # from the first poster candidate, which is often black, to the second


def job_request(
    job: TranscodeJob, preset: Preset, video: VideoInfo, bucket: str, folder: str
) -> dict[str, Any]:
    """The CreateJob request, but for the account's role and queue.

    It asks for `<folder>video.<container>`, `<folder>poster.0000000.jpg` and
    `<folder>thumbnail.0000000.jpg` and so on, in `bucket`: the service adds the extension, and
    takes no key that has another one. The folder is the job's own. Of a ladder it asks for
    `<folder>master.m3u8`, of each rung `<folder>master_0.m3u8` and `.ts` and so on, and a poster.
    """
    place = f"s3://{bucket}/{folder}"
    return {
        "ClientRequestToken": job.token,
        "UserMetadata": _labels(job, bucket),
        "Settings": {
            "TimecodeConfig": {"Source": "ZEROBASED"},
            "Inputs": [_input(job, video)],
            "OutputGroups": (_ladder_groups if preset.is_ladder else _file_groups)(
                preset, video, place
            ),
        },
    }


def _file_groups(preset: Preset, video: VideoInfo, place: str) -> list[dict[str, Any]]:
    return [
        _file_group("video", f"{place}video", _rendition(preset, video)),
        _file_group("poster", f"{place}poster", _poster(preset, video)),
        _file_group("thumbnails", f"{place}thumbnail", _thumbnails(preset, video)),
    ]


def _ladder_groups(preset: Preset, video: VideoInfo, place: str) -> list[dict[str, Any]]:
    """One file a rung, as ffmpeg's ladders have: MPEG-TS, which is what this group writes."""
    rungs = rung_presets(preset, video)
    group = {
        "Name": "ladder",
        "OutputGroupSettings": {
            "Type": "HLS_GROUP_SETTINGS",
            "HlsGroupSettings": {
                "Destination": f"{place}{MASTER.removesuffix('.m3u8')}",
                "SegmentControl": "SINGLE_FILE",
                "SegmentLength": preset.segment_seconds,
                "SegmentLengthControl": "EXACT",
                "MinSegmentLength": 0,
                "ManifestDurationFormat": "FLOATING_POINT",
                "ManifestCompression": "NONE",
                "DirectoryStructure": "SINGLE_DIRECTORY",
                "OutputSelection": "MANIFESTS_AND_SEGMENTS",
                "ProgramDateTime": "EXCLUDE",
                "CodecSpecification": "RFC_6381",
                "StreamInfResolution": "INCLUDE",
            },
        },
        "Outputs": [_rung(number, rung, video) for number, rung in enumerate(rungs)],
    }
    return [group, _file_group("poster", f"{place}poster", _poster(rungs[0], video))]


def _rung(number: int, rung: Preset, video: VideoInfo) -> dict[str, Any]:
    """The name tells rungs apart; each has the sound in it, for the shift from one to another."""
    return {
        "NameModifier": f"_{number}",
        "ContainerSettings": {"Container": "M3U8"},
        **_tracks(rung, video),
    }


def _labels(job: TranscodeJob, bucket: str) -> dict[str, str]:
    """What comes back with the job's events; `rendition_bucket` is what the stack's rule goes by.

    Keys are percent-encoded, as what the service allows in a value is not written anywhere.
    """
    return {
        "bucket": job.bucket,
        "key": quote(job.key),
        "version": job.version,
        "preset": job.preset,
        "token": job.token,
        "rendition_bucket": bucket,
    }


def _input(job: TranscodeJob, video: VideoInfo) -> dict[str, Any]:
    audio = {"AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}}
    return {
        "FileInput": job.uri,
        "TimecodeSource": "ZEROBASED",
        "VideoSelector": {"Rotate": "AUTO"},
        **(audio if video.audio_streams else {}),
    }


def _file_group(name: str, destination: str, output: dict[str, Any]) -> dict[str, Any]:
    """One output a group, so that its name is the destination's and needs nothing behind it."""
    return {
        "Name": name,
        "OutputGroupSettings": {
            "Type": "FILE_GROUP_SETTINGS",
            "FileGroupSettings": {"Destination": destination},
        },
        "Outputs": [output],
    }


def _rendition(preset: Preset, video: VideoInfo) -> dict[str, Any]:
    settings = {"Mp4Settings": {"MoovPlacement": "PROGRESSIVE_DOWNLOAD"}}
    return {
        "ContainerSettings": {
            "Container": preset.container.upper(),
            **(settings if preset.container == "mp4" else {}),
        },
        **_tracks(preset, video),
    }


def _tracks(preset: Preset, video: VideoInfo) -> dict[str, Any]:
    audio = {
        "AudioDescriptions": [
            {
                "AudioSourceName": "Audio Selector 1",
                "CodecSettings": _AUDIO_CODECS[preset.audio.codec](preset.audio),
                **_remix(preset.audio, video),
            }
        ]
    }
    return {
        "VideoDescription": {
            **_picture(video, preset.max_width, preset.max_height),
            "TimecodeInsertion": "DISABLED",
            "CodecSettings": _VIDEO_CODECS[preset.video.codec](
                preset.video, {**_frame_rate(preset, video), **_cuts(preset)}
            ),
        },
        **(audio if video.audio_streams else {}),
    }


def _cuts(preset: Preset) -> dict[str, Any]:
    """Cut all rungs at the same moments: only there a player can change from one to another."""
    if not preset.is_ladder:
        return {}
    return {"SceneChangeDetect": "DISABLED", "GopClosedCadence": 1}


def _poster(preset: Preset, video: VideoInfo) -> dict[str, Any]:
    picture = _picture(video, preset.max_width, preset.max_height)
    return _pictures(picture, every_seconds=_POSTER_SECONDS, most=2)


def _thumbnails(preset: Preset, video: VideoInfo) -> dict[str, Any]:
    small = preset.thumbnails
    picture = _picture(video, small.width, small.height)
    return _pictures(picture, every_seconds=small.every_seconds)


def _pictures(
    picture: dict[str, Any], *, every_seconds: int, most: int | None = None
) -> dict[str, Any]:
    """JPEG pictures: the service makes no PNG."""
    capture = {"FramerateNumerator": 1, "FramerateDenominator": every_seconds, "Quality": 80}
    return {
        "ContainerSettings": {"Container": "RAW"},
        "VideoDescription": {
            **picture,
            "CodecSettings": {
                "Codec": "FRAME_CAPTURE",
                "FrameCaptureSettings": capture | ({"MaxCaptures": most} if most else {}),
            },
        },
    }


def _picture(video: VideoInfo, width: int, height: int) -> dict[str, Any]:
    """Of interlaced videos, the frames that are flagged so are deinterlaced."""
    deinterlacer = {"Mode": "DEINTERLACE", "Control": "NORMAL", "Algorithm": "INTERPOLATE"}
    return {
        **_box(video, width, height),
        **({"VideoPreprocessors": {"Deinterlacer": deinterlacer}} if video.interlaced else {}),
    }


def _box(video: VideoInfo, width: int, height: int) -> dict[str, Any]:
    """Shrink into a box, never enlarge, without bars.

    Where the source's pixels are not square the sides are given, for they would be fitted as if
    they were.
    """
    if not _has_odd_pixels(video):
        return {"ScalingBehavior": "FIT_NO_UPSCALE", "Width": width, "Height": height}
    shown_width, shown_height = video.display_width or width, video.display_height or height
    factor = min(1.0, width / shown_width, height / shown_height)
    return {
        "ScalingBehavior": "STRETCH_TO_OUTPUT",
        "Width": _even(shown_width * factor),
        "Height": _even(shown_height * factor),
    }


def _has_odd_pixels(video: VideoInfo) -> bool:
    coded, shown = (video.width, video.height), (video.display_width, video.display_height)
    return None not in shown and sorted(map(str, coded)) != sorted(map(str, shown))


def _even(side: float) -> int:
    return max(LEAST_SIDE, int(side / 2 + 0.01) * 2)


def _frame_rate(preset: Preset, video: VideoInfo) -> dict[str, Any]:
    """Cap the rate: only a source that is faster gets another one."""
    if (video.frame_rate or 0) <= preset.max_frame_rate:
        return {"FramerateControl": "INITIALIZE_FROM_SOURCE"}
    return {
        "FramerateControl": "SPECIFIED",
        "FramerateNumerator": round(preset.max_frame_rate * 1000),
        "FramerateDenominator": 1000,
        "FramerateConversionAlgorithm": "DUPLICATE_DROP",
    }


_SQUARE = {"ParControl": "SPECIFIED", "ParNumerator": 1, "ParDenominator": 1}


def _h264(video: VideoEncoding, frame_rate: dict[str, Any]) -> dict[str, Any]:
    return {
        "Codec": "H_264",
        "H264Settings": {
            **_rate_control(video),
            **frame_rate,
            **_SQUARE,
            **_standard(video),
        },
    }


def _hevc(video: VideoEncoding, frame_rate: dict[str, Any]) -> dict[str, Any]:
    return {
        "Codec": "H_265",
        "H265Settings": {
            **_rate_control(video),
            **frame_rate,
            **_SQUARE,
            **_standard(video),
        },
    }


def _rate_control(video: VideoEncoding) -> dict[str, Any]:
    shared = {
        "MaxBitrate": video.bit_rate,
        "HrdBufferSize": 2 * video.bit_rate,
        "GopSize": float(video.gop),
        "GopSizeUnits": "FRAMES",
    }
    if video.quality is None:
        return shared | {"RateControlMode": "VBR", "Bitrate": video.bit_rate}
    level = _quality_level(video.quality)
    return shared | {"RateControlMode": "QVBR", "QvbrSettings": {"QvbrQualityLevel": level}}


def _quality_level(crf: int) -> int:
    """The service's 1 (worst) to 10 for ffmpeg's CRF, three of which are about a level.

    23, x264's usual, is 7, which AWS advises for 720p on a computer.
    """
    return min(10, max(1, round(7 + (23 - crf) / 3)))


def _standard(video: VideoEncoding) -> dict[str, Any]:
    """What the decoder has to be able to do."""
    settings = {
        "CodecProfile": profile_name(video),
        "CodecLevel": level_name(video),
        "NumberReferenceFrames": video.refs,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _vp8(video: VideoEncoding, frame_rate: dict[str, Any]) -> dict[str, Any]:
    return {"Codec": "VP8", "Vp8Settings": _vpx_settings(video, frame_rate)}


def _vp9(video: VideoEncoding, frame_rate: dict[str, Any]) -> dict[str, Any]:
    return {"Codec": "VP9", "Vp9Settings": _vpx_settings(video, frame_rate)}


def _vpx_settings(video: VideoEncoding, frame_rate: dict[str, Any]) -> dict[str, Any]:
    return {
        "RateControlMode": "VBR",  # the only one that there is
        "QualityTuningLevel": "MULTI_PASS",
        "Bitrate": video.bit_rate,
        "GopSize": float(video.gop),
        **frame_rate,
        **_SQUARE,
    }


_VIDEO_CODECS = {"h264": _h264, "hevc": _hevc, "vp8": _vp8, "vp9": _vp9}


def _aac(audio: AudioEncoding) -> dict[str, Any]:
    modes = {1: "CODING_MODE_1_0", 6: "CODING_MODE_5_1"}
    return {
        "Codec": "AAC",
        "AacSettings": {
            "CodecProfile": "LC",
            "RateControlMode": "CBR",
            "Bitrate": audio.bit_rate,
            "SampleRate": audio.sample_rate,
            "CodingMode": modes.get(audio.channels, "CODING_MODE_2_0"),
        },
    }


def _opus(audio: AudioEncoding) -> dict[str, Any]:
    return {
        "Codec": "OPUS",
        "OpusSettings": {
            "Bitrate": min(192_000, max(32_000, audio.bit_rate // 8000 * 8000)),
            "SampleRate": _nearest(audio.sample_rate, (16_000, 24_000, 48_000)),
            "Channels": min(2, audio.channels),
        },
    }


_VORBIS_BIT_RATES = (
    64,
    80,
    96,
    112,
    128,
    160,
    192,
    224,
    256,
    320,
    500,
)  # kbit/s of quality 0 to 10


def _vorbis(audio: AudioEncoding) -> dict[str, Any]:
    nearest = _nearest(audio.bit_rate // 1000, _VORBIS_BIT_RATES)
    return {
        "Codec": "VORBIS",
        "VorbisSettings": {
            "VbrQuality": _VORBIS_BIT_RATES.index(nearest),
            "SampleRate": _nearest(audio.sample_rate, (22_050, 32_000, 44_100, 48_000)),
            "Channels": min(2, audio.channels),
        },
    }


_AUDIO_CODECS = {"aac": _aac, "opus": _opus, "vorbis": _vorbis}


def _nearest(wanted: int, allowed: tuple[int, ...]) -> int:
    return min(allowed, key=lambda each: abs(each - wanted))


def _remix(audio: AudioEncoding, video: VideoInfo) -> dict[str, Any]:
    """One channel becomes both of two: it would be heard on the left only."""
    if (video.audio_channels, audio.channels) != (1, 2):
        return {}
    both = [{"InputChannels": [0]}, {"InputChannels": [0]}]  # dB
    mapping = {"ChannelsIn": 1, "ChannelsOut": 2, "ChannelMapping": {"OutputChannels": both}}
    return {"RemixSettings": mapping}
