"""What every labeler has in common: the images it is given, what it is asked, what it answers."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from ingest_pipeline.errors import TransientError
from ingest_pipeline.media.model import (
    Label,
    Reason,
)
from ingest_pipeline.values import Frozen


class Wanted(Frozen):
    """Which labels are wanted of an image."""

    most: int = 5
    least_confidence: float = 75.0  # percent

    def __str__(self) -> str:
        return f"at most {self.most} labels of at least {self.least_confidence:g} %"


class Seen(Frozen):
    """What a model sees on an image."""

    labels: tuple[Label, ...]
    top: tuple[Label, ...]  # what it says before any threshold, as far as it tells


class ImageUnavailableError(TransientError):
    """An image could not be fetched; try again later."""


class StoredImage(Protocol):
    """An image in S3; its content is fetched when asked for."""

    @property
    def bucket(self) -> str:
        """Its bucket."""

    @property
    def key(self) -> str:
        """Its key there."""

    @property
    def version_id(self) -> str | None:
        """Its versionId; None in an unversioned bucket."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def container(self) -> str | None:
        """`jpeg`, `png`, ..."""

    def content(self) -> bytes:
        """Fetch it.

        Raises:
            ImageUnavailableError: it could not be fetched.
        """


# What was seen, or why the image cannot be labelled, or what failed and may go well later.
Answer = Seen | Reason | Exception


class Labeler(Protocol):
    """A model that names what images show."""

    @property
    def model(self) -> str:
        """Its name: another one whenever it would see something else on an image."""

    @property
    def checksum(self) -> str | None:
        """SHA-256 of its weights, where they are known."""

    def label(self, images: Sequence[StoredImage], wanted: Wanted) -> Iterator[Answer]:
        """Answer for each image, in their order; one that fails does not disturb the others."""
