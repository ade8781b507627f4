"""The words for what a file is: kind, probe, verdict, reason."""

from enum import StrEnum

from pydantic import Field, JsonValue

from ingest_pipeline.values import Frozen


class Kind(StrEnum):
    """What a file is by its content; its name plays no part."""

    AUDIO = "audio"
    VIDEO = "video"
    IMAGE = "image"
    OTHER = "other"
    EMPTY = "empty"


class Verdict(StrEnum):
    """What the rules say of an object."""

    VALID = "valid"
    REJECTED = "rejected"
    UNJUDGED = "unjudged"  # of a kind that is not probed yet, or never read


class Reason(Frozen):
    """One broken rule: `sample_rate 44100, wanted 48000`."""

    rule: str
    found: int | str
    wanted: int | str

    def __str__(self) -> str:
        return f"{self.rule} {self.found}, wanted {self.wanted}"


class Quality(Frozen):
    """How audio sounds, measured over all of it; absent values are those of silence."""

    integrated_loudness: float | None = None  # LUFS by EBU R128, to one place
    true_peak: float | None = None  # dBTP by EBU R128, to one place
    clipped_samples: int  # at full scale or beyond, of all channels
    leading_silence_seconds: float  # until a channel exceeds -60 dBFS; of silence all of it
    trailing_silence_seconds: float
    dc_offset: float  # share of full scale: the mean of the channel where it is the farthest from 0


class AudioInfo(Frozen):
    """The format of an audio file; absent values are ones that the header does not tell."""

    channel_count: int
    frame_count: int | None = None
    sample_rate: int  # Hz
    bits_per_sample: int | None = None  # of the container: 24-bit samples in 32-bit words are 32
    duration: str | None = None  # seconds, str(frame_count / sample_rate), "0.0" at a rate of 0
    block_align: int | None = None  # bytes of one frame
    sample_format: str | None = None  # "int", "float" or None for a compressed codec
    valid_bits: int | None = None  # of WAVE_FORMAT_EXTENSIBLE
    channel_layout: tuple[str, ...] | None = None  # speaker names by the channel mask
    data_bytes: int | None = None  # of audio, after resolving streaming placeholders
    bit_rate: int | None = None  # bits a second of compressed audio, on average
    quality: Quality | None = None  # measured where a rule of the source speaks of it


HDR_TRANSFERS = ("smpte2084", "arib-std-b67")  # PQ and HLG


class VideoInfo(Frozen):
    """The format of a video file, of its first video and its first audio track.

    Absent values are ones that the file does not tell; cover pictures are no video tracks.
    """

    duration_seconds: float | None = None  # the longer of the two tracks
    width: int | None = None  # pixels as coded
    height: int | None = None
    display_width: int | None = None  # of square pixels, upright
    display_height: int | None = None
    rotation: int = 0  # degrees clockwise that make it upright: 0, 90, 180, 270
    interlaced: bool = False  # its first frame is two pictures, one in every other row
    frame_rate: float | None = None  # frames a second on average, to three places: 29.97
    longest_gop: int | None = None  # frames from a whole picture to the next, by an MP4's tables
    pixel_format: str | None = None  # ffmpeg's names, as of the colours: "yuv420p", "yuv420p10le"
    color_range: str | None = None  # "tv" or "pc"
    color_primaries: str | None = None  # "bt709", "bt2020", ...
    color_transfer: str | None = None  # "bt709", "smpte2084" (PQ), "arib-std-b67" (HLG), ...
    color_matrix: str | None = None  # "bt709", "bt2020nc", ...
    video_codec: str | None = None  # ffmpeg's names: "h264", "hevc", "vp9", "av1", ...
    video_profile: str | None = None  # "Main", "Constrained Baseline", ...
    video_level: int | None = None  # as the stream has it: 31 is H.264's level 3.1
    audio_codec: str | None = None  # "aac", "opus", "mp3", "pcm_s16le", ...
    audio_profile: str | None = None  # "LC", "HE-AAC", ...
    audio_channels: int | None = None
    audio_rate: int | None = None  # Hz
    bit_rate: int | None = None  # bits a second of the whole file
    video_streams: int = 0
    audio_streams: int = 0
    other_streams: int = 0  # subtitles, data, cover pictures

    @property
    def has_video(self) -> bool:
        """Whether there is a video track."""
        return self.video_streams > 0

    @property
    def pixels(self) -> int | None:
        """Pixels of a frame as coded."""
        return self.width * self.height if self.width and self.height else None

    @property
    def pixel_seconds(self) -> float | None:
        """What it costs: pixels of a frame times seconds; 0 where there is no video track."""
        if not self.has_video:
            return 0.0
        if not self.pixels or not self.duration_seconds:
            return None
        return self.pixels * self.duration_seconds

    @property
    def is_hdr(self) -> bool:
        """Whether its brightness is of a high dynamic range: PQ or HLG."""
        return self.color_transfer in HDR_TRANSFERS


class ImageInfo(Frozen):
    """The format of an image, of its first frame; never where it was taken."""

    width: int  # pixels, upright
    height: int
    mode: str  # Pillow's name: "RGB", "RGBA", "L", "P", "CMYK", "I;16", ...
    has_alpha: bool = False
    frames: int = 1  # of an animation, or pages
    decoded_frames: int = 1  # the first, or none where it is too large
    orientation: int = 1  # EXIF's 1 to 8, which width and height have in them
    captured_at: str | None = None  # ISO 8601, with a zone only where EXIF tells one
    camera: str | None = None  # make and model

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self.width * self.height


class Label(Frozen):
    """What is seen on an image."""

    name: str
    confidence: float  # percent
    parents: tuple[str, ...] = ()  # what it is a kind of, the nearest first


class Spoken(Frozen):
    """A piece of what is said in a recording: some words, up to a few sentences."""

    start: float  # seconds from the beginning
    end: float
    text: str
    confidence: float  # percent


class Probe(Frozen):
    """What a file was found to be. A value, never an exception: faults are data."""

    kind: Kind
    container: str | None = None  # "wav", "rf64", "bw64", "mp4", "jpeg", ...
    codec: str | None = None  # "pcm", "pcm_float", "mp3 (0x0055)", ...
    probed: bool = True  # False: the kind is recognised, its inside not looked at
    audio: AudioInfo | None = None
    video: VideoInfo | None = None
    image: ImageInfo | None = None
    metadata: dict[str, JsonValue] = Field(
        default_factory=dict
    )  # bext, ixml, info, cues, ... where present
    faults: tuple[Reason, ...] = ()  # what is wrong whatever the source's rules, or why not probed
    warnings: tuple[str, ...] = ()  # what is odd and no reason to refuse
