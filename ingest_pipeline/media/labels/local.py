"""Labels by a model on this machine: EfficientNet-Lite0, and everyday words for what it sees.

It knows ImageNet's 1,000 classes: animals above all, things, food, vehicles. It knows no person,
and what is no photo of everyday things can fool it: a scan of a retina passes for a worm.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from more_itertools import chunked

from ingest_pipeline.extras import extra
from ingest_pipeline.media.image.reader import (
    ImageError,
    ImageReader,
    ImageReaderError,
    warm_reader,
)
from ingest_pipeline.media.labels.labeler import (
    Answer,
    ImageUnavailableError,
    Seen,
    StoredImage,
    Wanted,
)
from ingest_pipeline.media.model import Reason

if TYPE_CHECKING:  # they take 0.3 s and 60 MB, which other runs do without
    from ingest_pipeline.media.labels.efficientnet import EfficientNet
    from ingest_pipeline.media.labels.wordnet import Hierarchy

SIDE = 224  # pixels
MOST_BYTES = 32 * 1024 * 1024  # of an image; four are in memory at a time
_FETCHERS = 4
_BATCH = 16  # images in one call of the model; more are no faster
_ROLL_UP = 2  # another number makes all images be labelled again


@dataclass(frozen=True)
class LocalLabeler:
    """Loads the model when first used and keeps it: have one a process."""

    threads: int = 0  # of the model; 0 is onnxruntime's choice
    model: str = f"efficientnet-lite0-57934424/wordnet-3.0/{_ROLL_UP}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the weights."""
        with extra("labels", "INGEST_LABELER=local"):
            from ingest_pipeline.media.labels.efficientnet import CHECKSUM  # noqa: PLC0415

        return CHECKSUM

    def label(self, images: Sequence[StoredImage], wanted: Wanted) -> Iterator[Answer]:
        """Answer for each image; they are fetched and decoded 16 at a time.

        Raises:
            MissingExtraError: the model is not installed.
            WeightsError: the installed weights are not the expected ones.
        """
        reader = warm_reader()
        with ThreadPoolExecutor(_FETCHERS) as pool:
            for batch in chunked(images, _BATCH):
                decoded = list(pool.map(lambda image: _pixels(reader, image), batch))
                seen = iter(self.see([each for each in decoded if isinstance(each, bytes)], wanted))
                for each in decoded:
                    yield next(seen) if isinstance(each, bytes) else each

    def see(self, pixels: Sequence[bytes], wanted: Wanted) -> list[Seen]:
        """What images of 224 x 224 x RGB bytes show, in one call of the model."""
        if not pixels:
            return []
        import numpy as np  # noqa: PLC0415

        array = np.frombuffer(b"".join(pixels), np.uint8).reshape(-1, SIDE, SIDE, 3)
        probabilities = self._network.probabilities(array)
        labels = self._hierarchy.labels(
            probabilities, most=wanted.most, least_confidence=wanted.least_confidence
        )
        top = self._hierarchy.top(probabilities)
        return [Seen(labels=each, top=first) for each, first in zip(labels, top, strict=True)]

    @cached_property
    def _network(self) -> "EfficientNet":
        with extra("labels", "INGEST_LABELER=local"):
            from ingest_pipeline.media.labels.efficientnet import EfficientNet  # noqa: PLC0415

        return EfficientNet(self.threads)

    @cached_property
    def _hierarchy(self) -> "Hierarchy":
        from ingest_pipeline.media.labels.wordnet import Hierarchy  # noqa: PLC0415

        return Hierarchy.load()


def _pixels(reader: ImageReader, image: StoredImage) -> bytes | Reason | Exception:
    if image.size > MOST_BYTES:
        wanted = f"at most {MOST_BYTES} bytes to be labelled"
        return Reason(rule="size", found=image.size, wanted=wanted)
    try:
        return reader.pixels(image.content(), SIDE)
    except ImageError as error:
        wanted = "an image that can be decoded"
        return Reason(rule="decodable", found=str(error), wanted=wanted)
    except (ImageUnavailableError, ImageReaderError) as error:
        return error
