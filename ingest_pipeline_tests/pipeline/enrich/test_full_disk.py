"""A disk that fills up while a video is rendered: said clearly, and nothing is lost."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest_pipeline.local.samples import SAMPLES
from ingest_pipeline.media.video.program import find_ffmpeg
from ingest_pipeline.pipeline.result import RetryLater
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Rendition,
)
from ingest_pipeline.records.tables import (
    RENDITIONS,
    RENDITIONS_BY_OBJECT,
)
from ingest_pipeline_tests.children import own_children
from ingest_pipeline_tests.world import World

CLIP = SAMPLES / "video.webm"  # 340 kB; its rendition has 760 kB

# Stands in where nothing may be mounted: the kernel says of /dev/full what it says of a full disk.
FFMPEG_ON_FULL_DISK = """#!/bin/bash
exec {ffmpeg} "${{@/#file:video.mp4/file:/dev/full}}"
"""


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Temporary files lie on a file system of this size; which folder."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(mount, check=False, capture_output=True).returncode == 0:
            try:
                yield folder
            finally:
                subprocess.run(["umount", str(folder)], check=True)
        else:
            program = folder.with_name("ffmpeg")
            program.write_text(FFMPEG_ON_FULL_DISK.format(ffmpeg=find_ffmpeg()))
            program.chmod(0o755)
            patch.setenv("PATH", str(program.parent), prepend=":")
            yield folder


def renditions(world: World, ref: ObjectRef) -> list[Rendition]:
    return list(world.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, ref.uri))


FOR_THE_SOURCE = CLIP.stat().st_size
FOR_THE_RENDITION = round(4.008 * (2_200_000 + 160_000) / 8)


@pytest.mark.parametrize(
    ("size", "wanted"), [("100k", FOR_THE_SOURCE), ("800k", FOR_THE_RENDITION)]
)
def test_a_full_disk_is_said_clearly_and_nothing_is_lost(
    world: World, tmp_path: Path, size: str, wanted: int
) -> None:
    ref = world.put("video.webm", CLIP.read_bytes())
    [report] = world.ingest([ref])
    said: list[str] = []

    with small_disk(tmp_path / "disk", size) as disk:
        transcoder = world.wired.transcoder.transcoder()
        answer = transcoder.transcode(ref, said.append)
        is_small = disk.is_mount()  # else the download succeeds
        assert list(disk.iterdir()) == []
        assert own_children() == []
    assert isinstance(answer, RetryLater)
    message = answer.reason
    assert message.startswith("the disk is full: ")
    assert f"bytes were free in {disk}/transcode-" in message
    assert f"up to {wanted if is_small else FOR_THE_RENDITION:,} are wanted" in message
    assert "No space left on device" in message

    assert world.report(ref) == report
    assert (report.outcome, report.reasons) == (Outcome.INDEXED, ())
    assert renditions(world, ref) == []
    assert len(transcoder.missing([report])) == 1

    transcoder.transcode(ref, said.append)  # on a disk with room
    assert len(renditions(world, ref)) == 1
