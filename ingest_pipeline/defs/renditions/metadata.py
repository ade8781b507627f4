"""What the UI shows of renditions."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import dagster as dg

from ingest_pipeline.defs.common.metadata import SHOWN, Metadata, literal, table
from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.pipeline.enrich.transcode import Transcoding
from ingest_pipeline.records.model import Rendition


@dataclass
class TranscodingTally:
    """What is kept of videos that are too many to keep."""

    made: int = 0  # renditions
    rows: int = 0  # of the table of all
    first: list[Transcoding] = field(default_factory=list)  # of which something was made
    submitted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, done: Transcoding) -> None:
        """Take a video in."""
        self.made += len(done.made)
        if done.made:
            self.rows += 1 + len(done.made)
            self.first += [done][: SHOWN - len(self.first)]
        if len(self.submitted) < SHOWN:
            self.submitted += [f"{job.uri}: {job.job_id or 'asked for again'}" for job in done.jobs]
        if len(self.failed) < SHOWN:
            self.failed += [
                f"{done.source.uri}: {each.preset}: {each.words}" for each in done.failures
            ]


def describe_renditions(
    tally: TranscodingTally, poster: str | None, catalogue_url: str
) -> Metadata:
    """Each video before and after, a picture, and links that play what was made."""
    columns = ("video", "preset", "size", "pixels", "seconds", "picture", "sound", "kbit/s", "took")
    made = [rendition for each in tally.first for rendition in each.made]
    described: dict[str, dg.MetadataValue] = {
        "renditions": dg.MetadataValue.int(tally.made),
        "dagster/row_count": dg.MetadataValue.int(tally.made),
        "table": table(columns, [row for each in tally.first for row in _rows(each)], tally.rows),
        "submitted": dg.MetadataValue.json(tally.submitted),
        "failed": dg.MetadataValue.json(tally.failed),
    }
    if made:
        links = [f"[{literal(each.key)}]({_playing(each, catalogue_url)})" for each in made[:SHOWN]]
        described["play"] = dg.MetadataValue.md(" · ".join(links))
    if poster:
        described["picture"] = dg.MetadataValue.md(f"![poster]({poster})")
    return described


def _rows(done: Transcoding) -> Iterator[tuple[object, ...]]:
    """A line for the video before, and one for each rendition."""
    source = done.source
    video = source.probe.video if source.probe and source.probe.video else VideoInfo()
    name = f"{source.bucket}/{source.key}"
    pixels = f"{video.display_width}x{video.display_height}"
    before = (source.size, pixels, video.duration_seconds, video.video_codec, video.audio_codec)
    yield (name, "before", *before, (video.bit_rate or 0) // 1000, "")
    for each in done.made:
        pixels = f"{each.width}x{each.height}"
        after = (each.size, pixels, each.duration_seconds, each.video_codec, each.audio_codec)
        took = f"{each.seconds_taken} s{', copied' if each.remuxed else ''}"
        yield (name, each.preset, *after, each.bit_rate // 1000, took)


def _playing(rendition: Rendition, catalogue_url: str) -> str:
    """The API's address of a rendition: it stays, where S3's own links end within the hour."""
    query = urlencode(
        {"key": rendition.key, "version": rendition.version, "preset": rendition.preset},
        quote_via=quote,
    )
    return f"{catalogue_url}/content/{rendition.bucket}?{query}"
