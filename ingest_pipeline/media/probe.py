"""Finds out what a file is from as little of it as possible."""

from ingest_pipeline.media.audio.metadata import (
    Metadata,
    MetadataReader,
)
from ingest_pipeline.media.audio.probe import CONTAINERS as AUDIO_CONTAINERS
from ingest_pipeline.media.audio.probe import probe_audio
from ingest_pipeline.media.audio.wav import (
    CONTAINERS,
    riff_start,
    walk,
)
from ingest_pipeline.media.files import FilePart, SeekableFile
from ingest_pipeline.media.image.reader import (
    FORMATS,
    ImageReader,
)
from ingest_pipeline.media.image.tiff import raw_container
from ingest_pipeline.media.model import Kind, Probe
from ingest_pipeline.media.sniff import Sniffed, id3_bytes, sniff
from ingest_pipeline.media.video.probe import (
    AUDIO_ONLY,
    DEMUXERS,
    probe_video,
)

HEAD_BYTES = 64 * 1024  # one block of a ranged object
MAX_WARNINGS = 50  # a hostile file gives a thousand, and all of a probe goes into one table row

_TIFF = Sniffed(Kind.IMAGE, "tiff")

PROBED = (
    *(f"{Kind.AUDIO}/{container}" for container in CONTAINERS.values()),
    *(f"{Kind.AUDIO}/{container}" for container in (*AUDIO_CONTAINERS, *AUDIO_ONLY)),
    *(f"{Kind.VIDEO}/{container}" for container in DEMUXERS if container not in AUDIO_ONLY),
    *(f"{Kind.IMAGE}/{container}" for container in FORMATS),
)


def probe(
    file: SeekableFile,
    size: int,
    metadata: MetadataReader | None = None,
    images: ImageReader | None = None,
) -> Probe:
    """Probe a file of `size` bytes.

    WAV is walked and, with a `metadata` reader, its metadata read; other audio is known by its
    headers; video, and sound in a container of videos, is opened and a frame decoded, in a child
    of its own; an image is read whole and decoded, by `images` or, without, in a child of its
    own; any other audio or image, raw photos too, is recognised and marked `probed=False`.
    Raises nothing for what the file holds.

    Raises:
        VideoProbeError, ImageReaderError: a video or an image could not be looked at, for reasons
            that are not its own.
        Errors of the file object pass through.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if id3_bytes(head) and (start := riff_start(file)):
        return _probe_tagged_wav(file, size, start, metadata)
    sniffed = sniff(head, size)
    if sniffed == _TIFF and (raw := raw_container(file, size)):
        sniffed = Sniffed(Kind.IMAGE, raw)
    if sniffed.kind is Kind.AUDIO and sniffed.container in CONTAINERS.values():
        return _probe_wav(file, size, metadata)
    if sniffed.kind is Kind.AUDIO and sniffed.container in AUDIO_CONTAINERS:
        return probe_audio(file, size, sniffed.container)
    if sniffed.kind in (Kind.AUDIO, Kind.VIDEO) and sniffed.container in DEMUXERS:
        return probe_video(file, size, sniffed.container)
    if sniffed.kind is Kind.IMAGE and sniffed.container in FORMATS:
        return _probe_image(file, size, sniffed.container, images)
    is_probed = sniffed.kind in (Kind.OTHER, Kind.EMPTY)  # nothing more is wanted of these
    return Probe(kind=sniffed.kind, container=sniffed.container, probed=is_probed)


def _probe_wav(file: SeekableFile, size: int, reader: MetadataReader | None) -> Probe:
    wav = walk(file, size)
    metadata = reader.read(file, wav.metadata) if reader else Metadata({})
    return Probe(
        kind=Kind.AUDIO,
        container=wav.container,
        codec=wav.codec,
        audio=wav.audio,
        metadata=metadata.sections,
        faults=wav.faults,
        warnings=(wav.warnings + metadata.warnings)[:MAX_WARNINGS],
    )


def _probe_tagged_wav(
    file: SeekableFile, size: int, start: int, reader: MetadataReader | None
) -> Probe:
    found = _probe_wav(FilePart(file, start), size - start, reader)
    warnings = (f"an ID3v2 tag of {start} bytes before the RIFF", *found.warnings)
    return found.model_copy(update={"warnings": warnings[:MAX_WARNINGS]})


def _probe_image(
    file: SeekableFile, size: int, container: str, reader: ImageReader | None
) -> Probe:
    if reader:
        return reader.probe(file, size, container)
    with ImageReader() as own:
        return own.probe(file, size, container)
