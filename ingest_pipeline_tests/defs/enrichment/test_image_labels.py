from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.config import ObjectConfig
from ingest_pipeline.defs.common.partitions import day_range
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.defs.enrichment.image_labels import image_labels_by
from ingest_pipeline.media.labels.local import LocalLabeler
from ingest_pipeline.records.model import (
    Asset,
    ImageLabels,
    ObjectRef,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    IMAGE_LABELS,
    IMAGE_LABELS_BY_OBJECT,
)
from ingest_pipeline.settings import settings
from ingest_pipeline_tests.defs.runs import passed_checks, records
from ingest_pipeline_tests.media import photos
from ingest_pipeline_tests.world import World

CHECK = "every_image_has_labels_on_record"


def run(
    instance: dg.DagsterInstance, day: str | None, *refs: ObjectRef, **tags: str
) -> dg.ExecuteInProcessResult:
    objects = [dict(ObjectConfig.of(ref)) for ref in refs]
    asset = image_labels_by("model 1")
    return dg.materialize(
        [asset],
        instance=instance,
        partition_key=day,
        resources=resources(settings()).by_name(),
        run_config={"ops": {"image_labels": {"config": {"objects": objects}}}} if refs else None,
        raise_on_error=False,
        tags=tags,
    )


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    event = result.asset_materializations_for_node("image_labels")[0]
    return {
        name: value if isinstance(value, dg.TableMetadataValue) else value.value
        for name, value in event.metadata.items()
    }


def indexed(world: World, key: str, content: bytes) -> ObjectRef:
    ref = world.put(key, content)
    world.ingest([ref])
    assert world.is_indexed(key)
    return ref


def rows(world: World, ref: ObjectRef) -> list[ImageLabels]:
    return list(world.tables.query(IMAGE_LABELS, IMAGE_LABELS_BY_OBJECT, ref.uri))


def test_a_run_labels_its_objects_and_shows_what_is_on_them(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    cat = indexed(our_world, "cat|<b>.png", photos.CAT.read_bytes())
    other = indexed(our_world, "other.png", photos.UNSURE[1].read_bytes())
    result = run(instance, cat.day, cat, other)
    assert result.success
    assert passed_checks(result) == {CHECK: True}
    (row,) = rows(our_world, cat)
    assert row.labels[0].name == "cat"
    assert row.run_id == result.run_id
    shown = metadata(result)
    assert (shown["images"], shown["labelled now"]) == (2, 2)
    assert (shown["with labels"], shown["not labelled"]) == (1, 0)
    named = {str(record[0]): str(record[1]) for record in records(shown["table"])}
    assert named[f"{our_world.bucket}/cat|<b>.png"].startswith("cat 9")
    assert shown["picture"].startswith("![thumbnail](data:image/webp;base64,")
    assert len(shown["picture"]) < 24 * 1024
    again = run(instance, cat.day, cat, other)
    assert again.success
    assert (metadata(again)["images"], metadata(again)["labelled now"]) == (2, 0)


def test_a_run_without_objects_labels_the_images_of_its_days_that_lack_labels(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    cat = indexed(our_world, "cat.png", photos.CAT.read_bytes())
    first = str(date.fromisoformat(cat.day) - timedelta(days=2))
    old = our_world.asset("cat.png")
    assert old is not None
    # The rows of other tests' worlds are on the same day: move ours to one of its own.
    day = "2016-02-29"
    our_world.tables.put(ASSETS, [Asset(**{**dict(old), "day": day})])
    assert run(instance, first).success
    assert rows(our_world, cat) == []
    result = run(instance, None, **day_range("2016-02-28", "2016-03-01"))
    assert result.success
    assert len(rows(our_world, cat)) == 1
    assert len(result.asset_materializations_for_node("image_labels")) == 3


def test_an_empty_day_is_a_run_that_succeeds(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    result = run(instance, "2015-01-02")
    assert result.success
    assert our_world.asset("a.png") is None
    assert metadata(result)["images"] == 0
    assert "picture" not in metadata(result)


def test_what_cannot_be_labelled_for_now_fails_the_check(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    cat = indexed(our_world, "cat.png", photos.CAT.read_bytes())
    monkeypatch.setenv("INGEST_LABELER", "rekognition")
    monkeypatch.setenv("INGEST_REKOGNITION_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("INGEST_AWS_ATTEMPTS", "1")
    settings.cache_clear()
    result = run(instance, cat.day, cat)
    assert passed_checks(result) == {CHECK: False}
    assert metadata(result)["images"] == 0
    assert rows(our_world, cat) == []


def test_another_model_or_threshold_is_another_code_version(
    our_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version() -> str | None:
        settings.cache_clear()
        key = dg.AssetKey("image_labels")
        return defs().resolve_assets_def(key).code_versions_by_key[key]

    assert our_world.settings.labeler == "local"
    first = version()
    assert first == f"{LocalLabeler().model}: at most 5 labels of at least 75 %"
    monkeypatch.setenv("INGEST_MIN_CONFIDENCE", "60")
    second = version()
    monkeypatch.setenv("INGEST_LABELER", "rekognition")
    monkeypatch.setenv("INGEST_REKOGNITION_ENDPOINT", "http://127.0.0.1:9")
    assert len({first, second, version()}) == 3
