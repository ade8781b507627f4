"""Labelling: the local model and the way from probabilities to labels, against onnxruntime alone.

Both see the same decoded photos in batches of 16, by turns, so that the machine's noise meets both.
The step is what a run does with photos in S3 beyond that: fetching, decoding, writing rows.
"""

import time
from collections.abc import Callable
from importlib.metadata import distribution
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import numpy as np
from more_itertools import chunked

from benchmarks.harness import BUCKET, Figure, Sizes, embedded_aws, in_child
from ingest_pipeline.aws.objects.listing import list_newest_versions
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.media.image.reader import ImageReader
from ingest_pipeline.media.labels.efficientnet import EfficientNet
from ingest_pipeline.media.labels.labeler import Wanted
from ingest_pipeline.media.labels.local import (
    SIDE,
    LocalLabeler,
)
from ingest_pipeline.pipeline.result import values
from ingest_pipeline.settings import settings
from ingest_pipeline.system import System

_BATCH = 16  # images
_PHOTOS = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "motorcycle_right.png")


def measure(sizes: Sizes) -> list[Figure]:
    photos = sizes.photos
    with embedded_aws() as config:
        ours, bare = in_child(config, "labels:by_turns", photos, sizes.repeats)
        step, made = in_child(config, "labels:of_the_step", photos)
    return [
        Figure(
            f"{photos} decoded photos: labels, times onnxruntime alone",
            f"{1000 * ours / photos:.1f} ms a photo",
            f"{1000 * bare / photos:.1f} ms a photo",
            ours / bare,
            "at most 1.2",
            ours <= 1.2 * bare,
        ),
        Figure(
            f"{made} photos in S3 in one step, fetched, decoded and recorded, times the same",
            f"{1000 * step / photos:.1f} ms a photo",
            f"{1000 * bare / photos:.1f} ms a photo",
            step / bare,
        ),
    ]


def by_turns(count: int, repeats: int) -> tuple[float, float]:
    """Seconds for labels of photos, and for onnxruntime alone: medians."""
    with ImageReader() as reader:
        decoded = [reader.pixels(photo, SIDE) for photo in _contents()]
    batches = list(chunked(islice(cycle(decoded), count), _BATCH))
    arrays = [
        np.frombuffer(b"".join(batch), np.uint8).reshape(-1, SIDE, SIDE, 3) for batch in batches
    ]
    labeler, network = LocalLabeler(), EfficientNet()

    def ours() -> None:
        for batch in batches:
            labeler.see(batch, Wanted())

    def bare() -> None:
        for array in arrays:
            network.session.run(None, {"pixels": array})

    seconds = [(_timed(ours), _timed(bare)) for _ in range(repeats + 1)][1:]  # the first warms up
    return median(each for each, _ in seconds), median(each for _, each in seconds)


def of_the_step(count: int) -> tuple[float, int]:
    """Seconds that a run's step takes for photos in S3, the model's loading included."""
    system = System(settings())
    for number, content in enumerate(islice(cycle(_contents()), count)):
        system.clients.s3.put_object(Bucket=BUCKET, Key=f"{number}.png", Body=content)
    refs = [standing.ref for standing in list_newest_versions(system.clients.s3, BUCKET)]
    wired = resources(system.config)
    wired.ingest(refs)
    begun = time.monotonic()
    made = values(wired.labeler.labelling().label(refs))
    return time.monotonic() - begun, len(made)


def _contents() -> list[bytes]:
    folder = Path(str(distribution("scikit-image").locate_file("skimage/data")))
    return [(folder / name).read_bytes() for name in _PHOTOS]


def _timed(work: Callable[[], None]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun
