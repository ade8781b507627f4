"""Short clips uploaded at once: until all their renditions stand, against ffmpeg alone.

ffmpeg alone makes the same renditions one after another, the files at hand, without pictures. Ours
are probed, judged, indexed, transcoded by runs of their own, and get their pictures.
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.harness import BUCKET, Figure, Sizes, running_system, wait_until
from benchmarks.video import encode_plainly, make_clip
from ingest_pipeline.records.tables import RENDITIONS, RENDITIONS_BY_OBJECT
from ingest_pipeline.settings import Settings
from ingest_pipeline.system import System

_SECONDS = 2  # of a clip
_GOAL = 1.3
_LONGEST = 300  # seconds


def measure(sizes: Sizes) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder) / "clip.mp4", _SECONDS)
        plain = sum(_timed_plainly(clip) for _ in range(sizes.clips))
        with running_system() as config:
            _together(config, clip, "warm-up", 2)
            ours = _together(config, clip, "clip", sizes.clips)
    return [
        Figure(
            f"{sizes.clips} clips of {_SECONDS} s, upload to all renditions: times as long",
            f"{ours:.1f} s",
            f"{plain:.1f} s",
            ours / plain,
            f"at most {_GOAL}",
            ours <= _GOAL * plain,
        )
    ]


def _timed_plainly(clip: Path) -> float:
    begun = time.monotonic()
    encode_plainly(clip)
    return time.monotonic() - begun


def _together(config: Settings, clip: Path, name: str, count: int) -> float:
    """Seconds from the first PUT to the last rendition."""
    system, keys = System(config), [f"{name}-{number}.mp4" for number in range(count)]
    content = clip.read_bytes()

    def is_rendered(key: str) -> bool:
        uri = f"s3://{BUCKET}/{key}"
        return bool(list(system.tables.query(RENDITIONS, RENDITIONS_BY_OBJECT, uri)))

    begun = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        list(
            pool.map(
                lambda key: system.clients.s3.put_object(Bucket=BUCKET, Key=key, Body=content), keys
            )
        )
    wait_until(lambda: all(map(is_rendered, keys)), _LONGEST)
    return time.monotonic() - begun
