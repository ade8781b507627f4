import pytest

from ingest_pipeline.definitions import defs
from ingest_pipeline.defs.common.resources.queues import ConsumerResource, LeasesResource
from ingest_pipeline.defs.common.wiring import Resources, resources
from ingest_pipeline.records.model import Outcome
from ingest_pipeline.settings import Settings
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.world import World

DEFAULTS = Settings(region="us-east-1", endpoint_url=None)


@pytest.fixture(scope="module")
def wired() -> Resources:
    return resources(DEFAULTS)


def test_whatever_asks_for_a_resource_finds_it() -> None:
    repository = defs().get_repository_def()
    asked = set().union(
        *(
            asset.required_resource_keys
            for asset in defs().get_repository_def().assets_defs_by_key.values()
        ),
        *(sensor.required_resource_keys for sensor in repository.sensor_defs),
    )
    assert asked - {"io_manager"} <= resources(DEFAULTS).by_name().keys()


def test_the_ui_shows_typed_and_described_fields_of_every_resource() -> None:
    shown = defs().get_repository_def().get_top_level_resources()
    assert shown.keys() == resources(DEFAULTS).by_name().keys()
    composed = set()
    for name, resource in shown.items():
        assert resource.description, name
        fields = resource.config_schema.as_field().config_type.fields  # type: ignore[attr-defined]
        assert [each for each, told in fields.items() if not told.description] == [], name
        composed |= {name} if not fields else set()
    # These have nothing of their own to be set: they only bring others together.
    assert composed == {"deleter", "results_io_manager"}


@pytest.mark.parametrize(
    ("resource", "field", "kind"),
    [
        ("aws", "region", str),
        ("aws", "attempts", int),
        ("labeler", "min_confidence", float),
        ("dead_letters", "queues", list),
        ("ingest_consumer", "max_objects", int),
    ],
)
def test_a_field_has_the_type_of_its_setting(
    wired: Resources, resource: str, field: str, kind: type
) -> None:
    assert isinstance(getattr(getattr(wired, resource), field), kind)


def test_no_resource_shows_a_secret() -> None:
    secret = "not-for-others"
    settings = Settings(
        region="us-east-1",
        endpoint_url=None,
        event_db=f"postgresql+psycopg2://user:{secret}@host/db",
    )
    made = resources(settings)
    assert made.event_db.kind == "postgresql+psycopg2"
    assert secret not in "".join(map(repr, made.by_name().values()))


def test_every_queue_is_consumed_and_leased_under_the_names_of_the_settings(
    wired: Resources,
) -> None:
    table = DEFAULTS.queues
    consumed = {
        each.queue: each.dead_letters
        for each in wired.by_name().values()
        if isinstance(each, ConsumerResource)
    }
    assert consumed == {row.queue: row.dead_letters for row in table}
    leased = {each.queue for each in wired.by_name().values() if isinstance(each, LeasesResource)}
    # The ends of jobs are answered by the same step as the requests: the run's config says which.
    assert leased == {row.queue for row in table} - {table.transcode.queue}
    assert wired.dead_letters.queues == [row.dead_letters for row in table]


def test_a_run_takes_no_more_than_its_kind_of_work_allows(wired: Resources) -> None:
    most = {
        name: each.max_objects
        for name, each in wired.by_name().items()
        if isinstance(each, ConsumerResource)
    }
    assert most == {
        "ingest_consumer": 500,
        "delete_consumer": 500,
        "rendition_consumer": 1,
        "transcode_consumer": 1,
        "enrichment_consumer": 200,
        "session_consumer": 500,
    }
    few = resources(DEFAULTS.model_copy(update={"max_objects_per_run": 10}))
    assert few.enrichment_consumer.max_objects == 10


def test_who_brings_objects_has_them_ingested_at_once(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    (result,) = world.wired.ingest([ref], "a-run")
    assert result.ref.uri == ref.uri
    report = world.report(ref)
    assert (report.outcome, report.run_id) == (Outcome.INDEXED, "a-run")
    assert world.system.queues.enrichment.queue.depth().waiting == 1, "its preview is asked for"
