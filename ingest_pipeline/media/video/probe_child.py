"""Finds out with PyAV what a video is, in a process of its own with narrow limits.

Never imported by the service: it knows PyAV, Matroska and the child's side of the sandbox alone. It
opens no file: it asks its parent for bytes of the one that is served. A request is the demuxer, the
demuxers that may be used at all, and the largest frame to decode in pixels; `look_at` says what
is answered.
"""

import io
import itertools
import struct
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import IO, NamedTuple

import av
import av.error
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ingest_pipeline.media.sandbox import worker_child
from ingest_pipeline.media.video import matroska

BLOCK = 64 * 1024  # bytes; what the parent fetches at a time
TAIL_BYTES = 1536 * 1024  # looked through for the last time stamp where no header tells a length
DECODED_PACKETS = 300  # 10 s without a frame is no video
TEXT_CHARS = 200

OPTIONS = {
    "protocol_whitelist": "none",  # there is no protocol of that name: nothing can be opened
    "max_streams": "32",
    "probesize": "2500000",  # bytes; 38 of the 64 blocks
    "analyzeduration": "10000000",  # microseconds
}


def main() -> None:
    """Answer requests until the input ends."""
    worker_child.serve(answer)


def answer(request: worker_child.Request) -> worker_child.Answer:
    """Look at the file that the parent serves."""
    facts = request.facts
    file = request.open(ServedFile)
    try:
        found = look_at(file, facts["demuxer"], facts["formats"], facts["most_pixels"])
    except Exception as error:  # noqa: BLE001 - a fault of ours or PyAV's, not of the file
        found = {"failure": worker_child.in_words(error)[:TEXT_CHARS]}
    return worker_child.Answer(found)


class ServedFile(worker_child.ServedFile):
    """The parent's file, read within one of its blocks each, with patches laid over it."""

    def __init__(self, size: int, given: IO[bytes], asks: IO[bytes]) -> None:
        """`size` is the whole file's, in bytes."""
        super().__init__(size, given, asks)
        self.patches: dict[int, bytes] = {}  # what is read at a byte instead of the file's own

    def next_bytes(self, most: int) -> bytes:
        """What is read next, up to the end of a block."""
        position = self.tell()
        content = super().next_bytes(min(most, BLOCK - position % BLOCK))
        return _patched(content, position, self.patches)

    def read_at(self, offset: int, size: int) -> bytes:
        """Read `size` bytes at a place, fewer only at the end."""
        self.seek(offset)
        content = b""
        while len(content) < size and (piece := self.read(size - len(content))):
            content += piece
        return content


def _patched(content: bytes, at: int, patches: Mapping[int, bytes]) -> bytes:
    """Lay the patches over what was read at byte `at`."""
    patched = bytearray(content)
    for place, patch in patches.items():
        for offset, value in enumerate(patch, place - at):
            if 0 <= offset < len(patched):
                patched[offset] = value
    return bytes(patched)


LARGE_MOOV_BYTES = 2 * 1024 * 1024  # half of what may be fetched
TOP_BOXES = 16  # a file of fragments has thousands, one in each block
MOST_BOXES = 1000  # in a moov
FEW_ENTRIES = 1000  # of a table: the first seconds
_CONTAINERS = (b"trak", b"mdia", b"minf", b"stbl")
_COUNT_AT = {  # the byte of the body where a table of the samples tells its length
    **dict.fromkeys((b"stco", b"co64", b"ctts", b"stss", b"stts"), 4),
    **dict.fromkeys((b"stsz", b"stz2"), 8),
}
_NEEDLESS = (b"sdtp", b"sbgp", b"udta", b"meta")  # udta and meta hold cover pictures
_BOX_HEADER = struct.Struct(">I4s")
_LONG_HEADER_BYTES = 16


class Box(NamedTuple):
    """A box of an MP4: where it begins, where its body does, and where it ends."""

    name: bytes
    start: int
    body: int
    end: int


def boxes(file: ServedFile, start: int, end: int) -> Iterator[Box]:
    """Walk the boxes between two bytes; the last may claim to end beyond."""
    while start < end:
        header = file.read_at(start, min(_LONG_HEADER_BYTES, end - start))
        if len(header) < _BOX_HEADER.size:
            return
        size, name = _BOX_HEADER.unpack_from(header)
        body = start + _BOX_HEADER.size
        if size == 1:  # 8 more bytes hold the size
            size, body = int.from_bytes(header[8:], "big"), start + _LONG_HEADER_BYTES
        box = Box(name, start, body, start + size if size else end)  # 0: up to the end
        if box.end < body:
            return
        yield box
        start = box.end


class Outline(NamedTuple):
    """What a container tells of itself, before any decoder is asked."""

    declared_end: int | None = None  # where it says to end
    encryption: str | None = None  # of a track: its scheme
    header: matroska.Header | None = None  # of a Matroska


def examine_boxes(file: ServedFile) -> Outline:
    """Shorten the sample tables of a large moov, and tell what an MP4 says of itself.

    Four hours of video have 10 MB of tables, more than may be fetched, and nothing is wanted of
    them but the first frames. No end is told where the boxes do not tell it.
    """
    encryption = None
    for box in itertools.islice(boxes(file, 0, file.size), TOP_BOXES):
        if box.name == b"moov":
            end = min(box.end, file.size)
            encryption = next(_encryptions(file, box.body, end), encryption)
            if box.end - box.body > LARGE_MOOV_BYTES:
                _shorten_tables(file, box.body, end)
        if box.end >= file.size:
            is_usual = box.name in (b"mdat", b"moov")
            return Outline(box.end if is_usual else None, encryption)
    return Outline(None, encryption)


_WAY_TO_FORMATS = (*_CONTAINERS, b"stsd")
_ENCRYPTED = (b"encv", b"enca", b"drmi", b"drms")  # formats of samples that need a key
_FORMATS_AT = 8  # of the body of stsd
_FORMAT_BYTES = 4096  # of one; schm stands behind what the codec wants to know
_SCHEME = slice(4, 8)  # of what stands behind the name of schm


def _encryptions(file: ServedFile, start: int, end: int) -> Iterator[str]:
    """Find the schemes by which tracks are encrypted: `cenc`, `cbcs`, ..."""
    for stsd in _boxes_below(file, start, end, _WAY_TO_FORMATS):
        formats = boxes(file, stsd.body + _FORMATS_AT, min(stsd.end, end))
        for each in itertools.islice(formats, MOST_BOXES):
            if each.name in _ENCRYPTED:
                yield _scheme(file, each)


def _boxes_below(file: ServedFile, start: int, end: int, way: tuple[bytes, ...]) -> Iterator[Box]:
    name, *deeper = way
    for box in itertools.islice(boxes(file, start, end), MOST_BOXES):
        if box.name == name and deeper:
            yield from _boxes_below(file, box.body, min(box.end, end), tuple(deeper))
        elif box.name == name:
            yield box


def _scheme(file: ServedFile, sample_format: Box) -> str:
    size = min(_FORMAT_BYTES, sample_format.end - sample_format.start)
    _, schm, behind = file.read_at(sample_format.start, size).partition(b"schm")
    scheme = behind[_SCHEME] if schm else sample_format.name
    return scheme.decode("ascii", "replace")


def _shorten_tables(file: ServedFile, start: int, end: int) -> None:
    for box in itertools.islice(boxes(file, start, end), MOST_BOXES):
        is_large = box.end - box.body > BLOCK
        if box.name in _CONTAINERS:
            _shorten_tables(file, box.body, min(box.end, end))
        elif box.name == b"stsc":  # how many samples a chunk has: libav wants no more than chunks
            file.patches[box.body + 4] = (1).to_bytes(4, "big")
        elif box.name in _COUNT_AT and is_large:
            file.patches[box.body + _COUNT_AT[box.name]] = FEW_ENTRIES.to_bytes(4, "big")
        elif box.name in _NEEDLESS and is_large:
            file.patches[box.start + 4] = b"free"


def _outline(file: ServedFile, demuxer: str) -> Outline:
    if demuxer == "mov":
        return examine_boxes(file)
    header = matroska.read_header(file) if demuxer == "matroska" else None
    if header is None:
        return Outline()
    return Outline(header.declared_end, "matroska" if header.is_encrypted else None, header)


def look_at(file: ServedFile, demuxer: str, formats: str, most_pixels: int) -> dict[str, object]:
    """Collect the facts of a file.

    `info` has the tracks, `sound` more of one that is alone;
    `declared_end` is where an MP4 or a Matroska says to end; `encryption` the scheme by which a
    track is encrypted; `open_error`, `decode_error` are the decoder's words; `undecoded` says why
    no decoder was asked; `is_spent` that more bytes were wanted than the parent fetches.
    """
    options = OPTIONS | {"format_whitelist": formats}
    av.logging.set_level(av.logging.ERROR)
    answer: dict[str, object] = {}
    with av.logging.Capture(local=False) as log:
        outline = _outline(file, demuxer)
        answer |= {"declared_end": outline.declared_end, "encryption": outline.encryption}
        file.seek(0)
        try:
            container = av.open(
                file, "r", demuxer, options, metadata_errors="replace", buffer_size=BLOCK
            )
        except av.error.FFmpegError as error:
            return answer | {"open_error": _words(error, log), "is_spent": file.is_spent}
        with container:
            answer |= _facts(container, file, outline, most_pixels, log)
    return answer | {"is_spent": file.is_spent}


def _words(error: av.error.FFmpegError, log: list[tuple[int, str, str]]) -> str:
    """Say what went wrong in libav's words: the last it logged, and the error's name."""
    logged = [message.strip() for _, _, message in log if message.strip()]
    text = error.strerror or type(error).__name__
    return "; ".join([*logged[-1:], text])[:TEXT_CHARS]


def _facts(
    container: InputContainer,
    file: ServedFile,
    outline: Outline,
    most_pixels: int,
    log: list[tuple[int, str, str]],
) -> dict[str, object]:
    videos = [stream for stream in container.streams if _is_video(stream)]
    audios = [stream for stream in container.streams if isinstance(stream, AudioStream)]
    video, audio = next(iter(videos), None), next(iter(audios), None)
    decoded = None if outline.encryption else video
    frame, judged = _first_frame(container, file, decoded, most_pixels, log)
    seconds = _film_seconds(container, file, outline, [t for t in (video, audio) if t is not None])
    info = {
        "duration_seconds": seconds,
        "bit_rate": round(file.size * 8 / seconds) if seconds else None,
        "video_streams": len(videos),
        "audio_streams": len(audios),
        "other_streams": len(container.streams) - len(videos) - len(audios),
        **_video_facts(video, frame),
        **_audio_facts(audio),
        "longest_gop": None if file.patches else _longest_gop(video),
    }
    alone = _sound_facts(container, audio, seconds) if audio is not None and not videos else None
    return {"info": info, "sound": alone, **judged}


def _is_video(stream: Stream) -> bool:
    return isinstance(stream, VideoStream) and not stream.disposition & Disposition.attached_pic


def _codec_name(stream: Stream) -> str:
    context = stream.codec_context  # None where libav has no decoder
    return context.codec.canonical_name.lower() if context else "unknown"


def _audio_facts(stream: Stream | None) -> dict[str, object]:
    if not isinstance(stream, AudioStream):
        return {}
    if not stream.codec_context:
        return {"audio_codec": "unknown"}
    return {
        "audio_codec": _codec_name(stream),
        "audio_profile": stream.codec_context.profile,
        "audio_channels": stream.codec_context.channels or None,
        "audio_rate": stream.codec_context.sample_rate or None,
    }


MOST_TAGS = 64
TAG_CHARS = 500
_NO_TAGS = {  # of the container, in libav's telling, and of no use to people
    *("major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id"),
    *("language", "duration", "creation_time"),
}


def _sound_facts(
    container: InputContainer, stream: AudioStream, seconds: float | None
) -> dict[str, object]:
    """Tell more of a track that has no picture beside it.

    Frames are known where the container counts in them: an MP4's clock is the sampling rate.
    """
    rate = stream.codec_context.sample_rate if stream.codec_context else 0
    counts = seconds is not None and stream.time_base == Fraction(1, rate or 1)
    texts = {
        name.lower(): text
        for name, text in {**stream.metadata, **container.metadata}.items()
        if name.lower() not in _NO_TAGS
    }
    return {
        "frames": round(seconds * rate) if seconds is not None and rate and counts else None,
        "bits": _bits(stream),
        "bit_rate": stream.bit_rate if stream.codec_context else None,
        "tags": {
            name[:TAG_CHARS]: text[:TAG_CHARS]
            for name, text in itertools.islice(texts.items(), MOST_TAGS)
        },
    }


_ALAC_BITS_AT = 17  # of its cookie, in its box
_STREAMINFO_BYTES = 34  # of FLAC, with or without a name before it


def _bits(stream: AudioStream) -> int | None:
    """Bits of a sample, of a codec that loses nothing."""
    name = _codec_name(stream)
    extra = bytes(stream.codec_context.extradata or b"") if stream.codec_context else b""
    if name == "alac" and len(extra) > _ALAC_BITS_AT:
        return extra[_ALAC_BITS_AT]
    if name == "flac" and len(extra) >= _STREAMINFO_BYTES:
        packed = int.from_bytes(extra[-_STREAMINFO_BYTES:][10:18], "big")
        return (packed >> 36 & 31) + 1
    if name.startswith("pcm_"):
        digits = "".join(filter(str.isdigit, name))
        return int(digits or 8)  # A-law and mu-law
    return None


def _video_facts(stream: Stream | None, frame: VideoFrame | None) -> dict[str, object]:
    if not isinstance(stream, VideoStream):
        return {}
    if not stream.codec_context:
        return {"video_codec": "unknown"}
    facts: dict[str, object] = {
        "video_codec": _codec_name(stream),
        "video_profile": stream.codec_context.profile,
        "video_level": level if (level := stream.codec_context.level) > 0 else None,
        "frame_rate": _frame_rate(stream),
        **_colors(frame or stream.codec_context),
        "pixel_format": frame.format.name if frame else stream.codec_context.pix_fmt,
    }
    width, height = stream.codec_context.width, stream.codec_context.height
    if frame is not None:  # headers may be wrong, and MPEG-TS has none
        width, height = frame.width, frame.height
    if not width or not height:
        return facts
    rotation = round(-frame.rotation / 90) * 90 % 360 if frame is not None else 0
    wide = round(width * (stream.sample_aspect_ratio or 1)) or 1
    upright = (wide, height) if rotation % 180 == 0 else (height, wide)
    return facts | {
        "width": width,
        "height": height,
        "rotation": rotation,
        "interlaced": frame is not None and frame.interlaced_frame,
        "display_width": upright[0],
        "display_height": upright[1],
    }


# The numbers of ISO/IEC 23091-2 by ffmpeg's names.
_RANGES = {1: "tv", 2: "pc"}
_PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "jedec-p22",
}
_TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    11: "iec61966-2-4",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
_MATRICES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    14: "ictcp",
}


def _colors(told: VideoFrame | VideoCodecContext) -> dict[str, object]:
    return {
        "color_range": _RANGES.get(told.color_range),
        "color_primaries": _PRIMARIES.get(told.color_primaries),
        "color_transfer": _TRANSFERS.get(told.color_trc),
        "color_matrix": _MATRICES.get(told.colorspace),
    }


def _longest_gop(stream: Stream | None) -> int | None:
    """Count the frames from a whole picture to the next, where the header has a table of them."""
    if not isinstance(stream, VideoStream) or "mov" not in stream.container.format.name:
        return None
    longest = since = 0
    for entry in stream.index_entries:
        since = 1 if entry.is_keyframe else since + 1
        longest = max(longest, since)
    return longest or None


_MOST_FRAMES_A_SECOND = 1000  # what containers that count milliseconds claim when they know none


def _frame_rate(stream: VideoStream) -> float | None:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate < _MOST_FRAMES_A_SECOND:
            return round(float(rate), 3)
    return None


def _film_seconds(
    container: InputContainer, file: ServedFile, outline: Outline, tracks: list[Stream]
) -> float | None:
    """Tell how long the film is, whatever else goes on behind its end.

    Matroska tells the length of the whole alone, subtitles included.
    """
    if file.patches:
        tracks = []  # their lengths would be those of the shortened tables
    header = outline.header
    if header is None:
        return _seconds(container, tracks)
    if any(stream.type == "subtitle" for stream in container.streams):
        by_tail = _seconds_by_tail(container, file, header, tracks)
        return by_tail or _seconds(container, tracks)
    return _seconds(container, tracks) or _seconds_by_tail(container, file, header, tracks)


def _seconds(container: InputContainer, tracks: list[Stream]) -> float | None:
    """Tell how long the tracks take together, by their own headers or the container's.

    Clocks need not begin at 0. Matroska counts the time before the first frame in, too.
    """
    known = [track for track in tracks if _length(track)]
    if known:
        first = min(_start(track) for track in known)
        return round(max(_start(track) + _length(track) for track in known) - first, 6)
    whole = _in_seconds(container.duration, _CONTAINER_BASE)
    if "matroska" in container.format.name:
        whole -= _in_seconds(container.start_time, _CONTAINER_BASE)
    return round(whole, 6) if whole > 0 else None


_CONTAINER_BASE = Fraction(1, av.time_base)


def _start(track: Stream) -> float:
    return _in_seconds(track.start_time, track.time_base)


def _length(track: Stream) -> float:
    return _in_seconds(track.duration, track.time_base)


def _in_seconds(ticks: int | None, base: Fraction | None) -> float:
    return max(0.0, float(ticks * base)) if ticks and base else 0.0


def _seconds_by_tail(
    container: InputContainer, file: ServedFile, header: matroska.Header, tracks: list[Stream]
) -> float | None:
    """Find the tracks' last time stamp: what a browser records has no length in its header.

    Matroska cannot seek without an index, so libav is given the file without its middle. None
    where no cluster begins in the tail.
    """
    if header.first_cluster is None:
        return None
    tail = file.read_at(max(header.first_cluster, file.size - TAIL_BYTES), TAIL_BYTES)
    first = tail.find(matroska.CLUSTER)
    if first < 0:
        return None
    shortened = io.BytesIO(header.content + tail[first:])
    wanted = {track.index for track in tracks}
    try:
        with av.open(
            shortened, "r", "matroska", container.options, metadata_errors="replace"
        ) as ending:
            ends = [_end(packet) for packet in ending.demux() if packet.stream_index in wanted]
    except av.error.FFmpegError:
        return None
    start = _in_seconds(container.start_time, _CONTAINER_BASE)
    return round(max(0.0, max(ends, default=0.0) - start), 6) or None


def _end(packet: "Packet[Stream]") -> float:
    return _in_seconds((packet.pts or 0) + (packet.duration or 0), packet.time_base)


def _first_frame(
    container: InputContainer,
    file: ServedFile,
    stream: Stream | None,
    most_pixels: int,
    log: list[tuple[int, str, str]],
) -> tuple[VideoFrame | None, Mapping[str, str]]:
    """Decode one frame; where that fails say why: `decode_error` or, if not tried, `undecoded`."""
    if not isinstance(stream, VideoStream):
        return None, {}
    if not stream.codec_context:
        return None, {"decode_error": "no decoder for this codec"}
    if stream.codec_context.width * stream.codec_context.height > most_pixels:
        return None, {"undecoded": f"frames of more than {most_pixels} pixels"}
    stream.codec_context.thread_count = 1  # each thread takes memory, and one frame gains nothing
    return _decode(container, file, stream, lambda error: _words(error, log))


def _decode(
    container: InputContainer,
    file: ServedFile,
    stream: VideoStream,
    words: Callable[[av.error.FFmpegError], str],
) -> tuple[VideoFrame | None, Mapping[str, str]]:
    """Decode until there is a frame; a stream that was cut out of another begins with errors."""
    problem = None
    try:
        for number, packet in enumerate(container.demux(stream)):
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                problem = words(error)
                continue
            if frames:
                return frames[0], {}
            if number >= DECODED_PACKETS:
                break
    except av.error.FFmpegError as error:
        problem = problem or words(error)
    if problem is None and file.is_spent:
        return None, {"undecoded": "no frame in what may be fetched"}
    return None, {"decode_error": problem or "no frame in it"}


if __name__ == "__main__":
    main()
