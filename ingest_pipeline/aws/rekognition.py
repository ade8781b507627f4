"""Labels by Amazon Rekognition, which reads the images from S3 itself."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ingest_pipeline.aws.clients import Clients
from ingest_pipeline.media.labels.labeler import (
    Answer,
    Seen,
    StoredImage,
    Wanted,
)
from ingest_pipeline.media.model import Label, Reason

MOST_BYTES = 15 * 1024 * 1024  # of an image in S3
CONTAINERS = ("jpeg", "png")
_AT_ONCE = 4  # calls: most of their time is waiting

# What the service says of an image, as a rule that it breaks and what is wanted. Not among them is
# InvalidS3ObjectException: it says no more than that the service could not fetch the image, and
# that is mostly a missing right or a bucket in another region.
_IMAGES_FAULT = {
    "InvalidImageFormatException": ("format", "an image that Rekognition can decode"),
    "ImageTooLargeException": ("size", "an image as small as Rekognition takes it"),
}


@dataclass(frozen=True)
class RekognitionLabeler:
    """Asks the service; boto3 repeats what is throttled and what failed on the service's side."""

    clients: Clients
    model: str = "rekognition"
    checksum: None = None

    def label(self, images: Sequence[StoredImage], wanted: Wanted) -> Iterator[Answer]:
        """Answer for each image. It tells no labels below the threshold: `top` is what it tells."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from pool.map(partial(self._label, wanted), images)

    def _label(self, wanted: Wanted, image: StoredImage) -> Answer:
        if (reason := _unsupported(image)) is not None:
            return reason
        version = {"Version": image.version_id} if image.version_id else {}
        try:
            found = self.clients.rekognition.detect_labels(
                Image={"S3Object": {"Bucket": image.bucket, "Name": image.key, **version}},
                MaxLabels=wanted.most,
                MinConfidence=wanted.least_confidence,
            )
        except ClientError as error:
            return _fault(error) or error
        except BotoCoreError as error:
            return error
        labels = tuple(_label(each) for each in found["Labels"])
        return Seen(labels=labels, top=labels)


def _unsupported(image: StoredImage) -> Reason | None:
    if image.container not in CONTAINERS:
        return Reason(rule="format", found=str(image.container), wanted=" or ".join(CONTAINERS))
    if image.size > MOST_BYTES:
        return Reason(rule="size", found=image.size, wanted=f"at most {MOST_BYTES} bytes")
    return None


def _fault(error: ClientError) -> Reason | None:
    answer = error.response["Error"]
    if answer["Code"] not in _IMAGES_FAULT:
        return None
    rule, wanted = _IMAGES_FAULT[answer["Code"]]
    return Reason(rule=rule, found=answer["Message"] or answer["Code"], wanted=wanted)


def _label(found: Any) -> Label:  # noqa: ANN401 - boto3's shapes
    return Label(
        name=found["Name"],
        confidence=round(found["Confidence"], 2),
        parents=tuple(parent["Name"] for parent in found["Parents"]),
    )
