"""Labels of images: from a version in its bucket to a row that says what is on it, or why not."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from more_itertools import chunked

from ingest_pipeline.aws.errors import AWS_ERRORS
from ingest_pipeline.aws.objects.state import ObjectGoneError
from ingest_pipeline.aws.objects.versions import open_version
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.media.image.reader import (
    ImageError,
    Picture,
    warm_reader,
)
from ingest_pipeline.media.labels.labeler import (
    Answer,
    ImageUnavailableError,
    Labeler,
    Seen,
    Wanted,
)
from ingest_pipeline.media.model import Kind, Reason
from ingest_pipeline.pipeline.derived import Derived
from ingest_pipeline.pipeline.reports import reports_of
from ingest_pipeline.pipeline.result import Done, Refused, Result, RetryLater, for_each
from ingest_pipeline.records.model import (
    ImageLabels,
    ObjectRef,
    Outcome,
    Report,
)
from ingest_pipeline.records.tables import (
    IMAGE_LABELS,
    REPORTS,
    image_labels_key,
    report_key,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_TOGETHER = 16  # rows written at once
_PICTURE_BOX = 160  # pixels
_PICTURE_BYTES = 16 * 1024 * 1024  # of an image that a picture is made of


Labelled = tuple[Report, ImageLabels]  # an image, and what is seen on it


def _tell_nobody(_labelled: Sequence[Labelled]) -> None:
    return None


@dataclass(frozen=True)
class ImageLabelling:
    """Labels indexed images. Doing so twice labels them once.

    `tell` is called with images and their rows before these are written: a row means that whoever
    shows labels has them, also where a run dies between the two.
    """

    s3: "S3Client"
    tables: Tables
    derived: Derived
    labeler: Labeler
    wanted: Wanted
    run_id: str | None = None
    tell: Callable[[Sequence[Labelled]], None] = _tell_nobody

    def missing(self, reports: Iterable[Report]) -> list[ObjectRef]:
        """The indexed images without an up-to-date row."""
        return [report.ref for report in self._unlabelled(reports)]

    def label(self, refs: Sequence[ObjectRef]) -> list[Result[ImageLabels]]:
        """Label those of these versions that are missing: the labels made now, or why none."""
        images = [
            _Image(self.s3, report) for report in self._unlabelled(reports_of(self.tables, refs))
        ]
        answers = zip(images, self.labeler.label(images, self.wanted), strict=True)
        made: list[Result[ImageLabels]] = []
        for some in chunked(answers, _TOGETHER):
            made += self._publish([(image.report, answer) for image, answer in some])
        return for_each(refs, made)

    def _publish(self, some: Sequence[tuple[Report, Answer]]) -> list[Result[ImageLabels]]:
        answers = {(report.uri, report.version): answer for report, answer in some}

        def write(current: Sequence[Report]) -> list[Result[ImageLabels]]:
            results = [self._result(r, answers[r.uri, r.version]) for r in current]
            labelled = [
                (report, result.value)
                for report, result in zip(current, results, strict=True)
                if result.value is not None
            ]
            self.tell(labelled)
            self.tables.put(IMAGE_LABELS, [row for _, row in labelled])
            return results

        return self.derived.publish([report for report, _ in some], write)

    def rows(self, refs: Iterable[ObjectRef]) -> list[ImageLabels]:
        """The up-to-date rows of those of these versions that are indexed images."""
        return self._up_to_date(_images(reports_of(self.tables, refs)))

    def picture(self, rows: Iterable[ImageLabels]) -> Picture | None:
        """A small picture of the first of these that can be shown."""
        keys = [report_key(row.uri, row.version) for row in rows if row.reason is None][:1]
        for report in self.tables.get_many(REPORTS, keys):
            if (report.size or 0) <= _PICTURE_BYTES:
                try:
                    return warm_reader().thumbnail(_Image(self.s3, report).content(), _PICTURE_BOX)
                except (ImageUnavailableError, ImageError):
                    return None
        return None

    def _unlabelled(self, reports: Iterable[Report]) -> list[Report]:
        images = _images(reports)
        labelled = {(row.uri, row.version) for row in self._up_to_date(images)}
        lacking = [report for report in images if (report.uri, report.version) not in labelled]
        return [report for report, _ in self.derived.current(lacking)]

    def _up_to_date(self, images: Iterable[Report]) -> list[ImageLabels]:
        model = self.labeler.model
        keys = [image_labels_key(image.uri, image.version, model) for image in images]
        return [row for row in self.tables.get_many(IMAGE_LABELS, keys) if self._is_current(row)]

    def _is_current(self, row: ImageLabels) -> bool:
        found = (row.model_checksum, row.max_labels, row.min_confidence)
        return found == (self.labeler.checksum, self.wanted.most, self.wanted.least_confidence)

    def _result(self, report: Report, answer: Answer) -> Result[ImageLabels]:
        match answer:
            case _ImageGoneError():
                return Done(report.ref)
            case Exception():
                return RetryLater(report.ref, str(answer))
            case Reason():
                return Refused(report.ref, str(answer), self._row(report, answer))
            case _:
                return Done(report.ref, self._row(report, answer))

    def _row(self, report: Report, answer: Seen | Reason) -> ImageLabels:
        return ImageLabels(
            bucket=report.bucket,
            key=report.key,
            version=report.version,
            day=report.day,
            model=self.labeler.model,
            model_checksum=self.labeler.checksum,
            max_labels=self.wanted.most,
            min_confidence=self.wanted.least_confidence,
            labels=answer.labels if isinstance(answer, Seen) else (),
            top=answer.top if isinstance(answer, Seen) else (),
            reason=answer if isinstance(answer, Reason) else None,
            made_at=datetime.now(UTC),
            run_id=self.run_id,
        )


class _ImageGoneError(ImageUnavailableError):
    """Its version was deleted for good meanwhile: there is nothing left to label."""


@dataclass(frozen=True)
class _Image:
    """A version of an object, as a labeler sees it."""

    s3: "S3Client"
    report: Report

    @property
    def bucket(self) -> str:
        return self.report.bucket

    @property
    def key(self) -> str:
        return self.report.key

    @property
    def version_id(self) -> str | None:
        return self.report.version_id

    @property
    def size(self) -> int:
        return self.report.size or 0

    @property
    def container(self) -> str | None:
        return self.report.probe.container if self.report.probe else None

    def content(self) -> bytes:
        try:
            with closing(open_version(self.s3, self.report)) as body:
                return body.read()
        except ObjectGoneError as error:
            raise _ImageGoneError(str(error)) from error
        except (*AWS_ERRORS, OSError) as error:
            raise ImageUnavailableError(str(error)) from error


def _images(reports: Iterable[Report]) -> list[Report]:
    return [
        report
        for report in reports
        if report.outcome is Outcome.INDEXED
        and report.probe is not None
        and report.probe.kind is Kind.IMAGE
    ]
