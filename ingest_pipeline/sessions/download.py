"""Recordings onto this machine."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_pipeline.aws.errors import AWS_ERRORS
from ingest_pipeline.aws.objects.content import download_object
from ingest_pipeline.sessions.model import Event, TagProblem
from ingest_pipeline.values import Frozen

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Downloads(Frozen):
    """The events whose recordings are here, with their `local_path`, and what failed."""

    events: tuple[Event, ...]
    problems: tuple[TagProblem, ...]


def download_tags(
    s3: "S3Client",
    bucket: str,
    events: Sequence[Event],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    threads: int = 8,
) -> Downloads:
    """Bring the recordings of events to `folder/<session>/<audio tag>`.

    `progress` is called in this thread with the number of recordings dealt with and of all, after
    each. A recording that fails does not disturb the others, and leaves no half of a file.
    """
    done: list[Event | TagProblem] = []
    with ThreadPoolExecutor(threads) as pool:
        for result in pool.map(partial(_download, s3, bucket, folder.resolve()), events):
            done.append(result)
            if progress:
                progress(len(done), len(events))
    return Downloads(
        events=tuple(each for each in done if isinstance(each, Event)),
        problems=tuple(each for each in done if isinstance(each, TagProblem)),
    )


def _download(s3: "S3Client", bucket: str, folder: Path, event: Event) -> Event | TagProblem:
    try:
        target = _target(folder, event)
        _fetch(s3, bucket, event.remote_path, target)
    except (*AWS_ERRORS, OSError, ValueError) as error:
        return TagProblem(audio_tag=event.audio_tag, reason=str(error))
    return event.model_copy(update={"local_path": str(target)})


def _target(folder: Path, event: Event) -> Path:
    """Where a recording goes; names come from outside and must not lead out of the folder."""
    home = folder / event.session_id
    target = (home / event.audio_tag).resolve()
    if home.parent != folder or not target.is_relative_to(home) or target == home:
        raise ValueError(f"{event.session_id}/{event.audio_tag} leads out of {folder}")
    return target


def _fetch(s3: "S3Client", bucket: str, key: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        download_object(s3, bucket, key, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
