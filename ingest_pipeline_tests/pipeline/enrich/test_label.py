from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.defs.common.resources.enrich import LabelerResource
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.media.labels.efficientnet import CHECKSUM
from ingest_pipeline.media.labels.labeler import (
    Answer,
    Labeler,
    Seen,
    StoredImage,
    Wanted,
)
from ingest_pipeline.media.labels.local import LocalLabeler
from ingest_pipeline.media.model import Label, Reason
from ingest_pipeline.pipeline.enrich.label import (
    ImageLabelling,
    Labelled,
)
from ingest_pipeline.pipeline.result import Done, Refused, retries, values
from ingest_pipeline.records.model import (
    ImageLabels,
    ObjectRef,
    Outcome,
)
from ingest_pipeline.records.tables import (
    IMAGE_LABELS,
    IMAGE_LABELS_BY_OBJECT,
)
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.media import photos
from ingest_pipeline_tests.rekognition import StandIn, stand_in
from ingest_pipeline_tests.world import World

CAT = photos.CAT.read_bytes()
BRICKS = next(path for path in photos.UNSURE if path.name == "brick.png").read_bytes()


@pytest.fixture(scope="module")
def local() -> LocalLabeler:
    """The model, loaded once."""
    return LocalLabeler(threads=1)


@dataclass
class Prepared:
    """A labeler that gives each key its answer and counts what it was asked."""

    answers: dict[str, Answer] = field(default_factory=dict)
    model: str = "prepared/1"
    checksum: str | None = "abc"
    asked: list[str] = field(default_factory=list)

    def label(self, images: Sequence[StoredImage], _wanted: Wanted) -> Iterator[Answer]:
        for image in images:
            self.asked.append(image.key)
            seen = Seen(labels=(Label(name="thing", confidence=80.0),), top=())
            yield self.answers.get(image.key, seen)


def labelling(world: World, labeler: Labeler, **changes: Any) -> ImageLabelling:
    made = ImageLabelling(
        world.clients.s3, world.tables, world.wired.derived.derived, labeler, Wanted(), "run-1"
    )
    return replace(made, **changes)


def ingest(world: World, **contents: bytes) -> list[ObjectRef]:
    """Upload and index; the names become keys."""
    refs = [world.put(key, content) for key, content in contents.items()]
    outcomes = world.ingest(refs)
    assert {each.outcome for each in outcomes} == {Outcome.INDEXED}, outcomes
    return refs


def rows(world: World, ref: ObjectRef) -> list[ImageLabels]:
    return list(world.tables.query(IMAGE_LABELS, IMAGE_LABELS_BY_OBJECT, ref.uri))


def test_a_row_says_what_is_on_an_image_and_what_the_model_thought(
    world: World, local: LocalLabeler
) -> None:
    cat, bricks = ingest(world, cat=CAT, bricks=BRICKS)
    made = values(labelling(world, local).label([cat, bricks]))
    assert rows(world, cat) + rows(world, bricks) == sorted(made, key=lambda r: r.key == "bricks")
    (of_cat,), (of_bricks,) = rows(world, cat), rows(world, bricks)
    assert [label.name for label in of_cat.labels][:2] == ["cat", "animal"]
    assert "animal" in of_cat.labels[0].parents
    assert (of_cat.bucket, of_cat.key, of_cat.version) == (cat.bucket, "cat", cat.version)
    assert (of_cat.day, of_cat.run_id) == (cat.day, "run-1")
    assert (of_cat.model, of_cat.model_checksum) == (local.model, CHECKSUM)
    assert (of_cat.max_labels, of_cat.min_confidence) == (5, 75)
    assert (of_bricks.labels, of_bricks.reason) == ((), None)
    assert len(of_bricks.top) == 5


def test_labelling_twice_labels_once(world: World) -> None:
    labeler = Prepared()
    refs = ingest(world, a=CAT, b=BRICKS)
    assert len(values(labelling(world, labeler).label(refs))) == 2
    assert labelling(world, labeler).label(refs) == list(map(Done, refs))
    assert labelling(world, labeler).missing(map(world.report, refs)) == []
    assert sorted(labeler.asked) == ["a", "b"]
    assert {row.key for row in labelling(world, labeler).rows(refs)} == {"a", "b"}


@pytest.mark.parametrize(
    "changes",
    [
        {"wanted": Wanted(most=3)},
        {"wanted": Wanted(least_confidence=80)},
        {"labeler": Prepared(checksum="other")},
        {"labeler": Prepared(model="prepared/2")},
    ],
)
def test_another_model_or_threshold_labels_again(world: World, changes: Any) -> None:
    refs = ingest(world, a=CAT)
    labelling(world, Prepared()).label(refs)
    changed = replace(labelling(world, Prepared()), **changes)
    assert [each.key for each in changed.missing(map(world.report, refs))] == ["a"]
    (made,) = values(changed.label(refs))
    assert made in rows(world, refs[0])
    assert changed.label(refs) == list(map(Done, refs))
    assert len(rows(world, refs[0])) == (2 if made.model == "prepared/2" else 1)


def test_only_indexed_images_are_labelled(world: World) -> None:
    labeler = Prepared()
    recording, image, old = ingest(world, recording=wavs.valid(), image=CAT, replaced=BRICKS)
    ingest(world, replaced=CAT)
    world.ingest([old])
    unknown = image.model_copy(update={"key": "unknown"})
    made = values(labelling(world, labeler).label([recording, image, old, unknown]))
    assert [row.key for row in made] == ["image"]
    assert labeler.asked == ["image"]
    assert labelling(world, labeler).missing([world.report(recording)]) == []


def test_an_image_that_cannot_be_labelled_has_a_row_with_the_reason(world: World) -> None:
    reason = Reason(rule="format", found="bmp", wanted="jpeg or png")
    labeler = Prepared(answers={"a": reason})
    refs = ingest(world, a=CAT, b=CAT)
    (refused, _) = labelling(world, labeler).label(refs)
    assert isinstance(refused, Refused)
    assert refused.reason == str(reason)
    assert rows(world, refs[0])[0].reason == reason
    assert rows(world, refs[1])[0].reason is None
    assert labelling(world, labeler).label(refs) == list(map(Done, refs))


def test_what_fails_for_now_is_told_after_the_others_are_on_record(world: World) -> None:
    labeler = Prepared(answers={"b": TimeoutError("no answer")})
    refs = ingest(world, a=CAT, b=CAT, c=CAT)
    again = retries(labelling(world, labeler).label(refs))
    assert [(each.ref.key, each.reason) for each in again] == [("b", "no answer")]
    assert [len(rows(world, ref)) for ref in refs] == [1, 0, 1]
    labeler.answers.clear()
    assert [row.key for row in values(labelling(world, labeler).label(refs))] == ["b"]


def test_a_version_that_is_gone_for_good_fails_nobody(world: World, local: LocalLabeler) -> None:
    gone, stays = ingest(world, gone=CAT, stays=CAT)
    world.clients.s3.delete_object(Bucket=gone.bucket, Key="gone", VersionId=str(gone.version))
    results = labelling(world, local).label([gone, stays])
    assert [row.key for row in values(results)] == ["stays"]
    assert retries(results) == []


def test_a_bucket_that_does_not_answer_is_a_failure_that_passes(
    world: World, local: LocalLabeler
) -> None:
    refs = ingest(world, a=CAT)
    nowhere = connect(
        world.settings.model_copy(update={"endpoint_url": "http://127.0.0.1:9", "aws_attempts": 1})
    )
    (again,) = retries(labelling(world, local, s3=nowhere.s3).label(refs))
    assert "Could not connect" in again.reason
    assert rows(world, refs[0]) == []


def test_rows_are_told_before_they_are_written(world: World) -> None:
    (ref,) = ingest(world, a=CAT)
    told: list[Labelled] = []

    def die(labelled: Sequence[Labelled]) -> None:
        told.extend(labelled)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        labelling(world, Prepared(), tell=die).label([ref])
    assert [(report.ref.row_version, row.key) for report, row in told] == [(ref.version, "a")]
    assert rows(world, ref) == []


def test_many_images_are_one_call(world: World) -> None:
    labeler = Prepared()
    refs = ingest(world, **{f"{number:02}": CAT for number in range(40)})
    assert len(values(labelling(world, labeler).label(refs))) == 40
    assert len(labelling(world, labeler).rows(refs)) == 40


def test_a_picture_shows_one_of_them(world: World) -> None:
    refs = ingest(world, a=CAT)
    step = labelling(world, Prepared())
    picture = step.picture(values(step.label(refs)))
    assert picture is not None
    assert max(picture.width, picture.height) <= 160
    assert len(picture.data) < 16 * 1024
    assert step.picture([]) is None


@pytest.fixture
def service() -> Iterator[StandIn]:
    """What speaks as Rekognition does."""
    with stand_in() as running:
        yield running


@pytest.fixture
def rekognition(world: World, service: StandIn) -> LabelerResource:
    """What labels in a world where the service does it."""
    config = world.settings.model_copy(
        update={"labeler": "rekognition", "rekognition_endpoint": service.endpoint}
    )
    return resources(config).labeler


def test_rekognition_labels_by_the_same_step(world: World, rekognition: LabelerResource) -> None:
    refs = ingest(world, a=CAT)
    (made,) = values(rekognition.labelling("run-2").label(refs))
    assert [label.name for label in made.labels] == ["Cat", "Pet"]
    assert (made.model, made.model_checksum, made.run_id) == ("rekognition", None, "run-2")
    assert rows(world, refs[0]) == [made]
    assert rekognition.labelling().label(refs) == list(map(Done, refs))


def test_an_image_that_rekognition_may_not_fetch_is_labelled_when_it_may(
    world: World, service: StandIn, rekognition: LabelerResource
) -> None:
    service.in_line["a"] = ["InvalidS3ObjectException"]
    refs = ingest(world, a=CAT)
    (again,) = retries(rekognition.labelling().label(refs))
    assert "InvalidS3ObjectException" in again.reason
    assert rows(world, refs[0]) == []
    (made,) = values(rekognition.labelling().label(refs))
    assert [label.name for label in made.labels] == ["Cat", "Pet"]


def test_the_setting_chooses_the_engine(world: World, rekognition: LabelerResource) -> None:
    assert world.wired.labeler.version.startswith("efficientnet-lite0-57934424/")
    assert rekognition.version == "rekognition: at most 5 labels of at least 75 %"
    config = world.settings.model_copy(update={"max_labels": 3, "min_confidence": 60.5})
    assert resources(config).labeler.version.endswith(": at most 3 labels of at least 60.5 %")
