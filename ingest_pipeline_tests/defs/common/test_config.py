from datetime import UTC, datetime

import dagster as dg
import pytest

from ingest_pipeline.defs.common.config import ObjectConfig, ObjectsConfig, objects_of_run
from ingest_pipeline_tests.defs.runs import objects_config
from ingest_pipeline_tests.world import some_ref

REFS = (
    some_ref("ingest", "a b/ü\n+%.wav", version="v1", etag="e", size=7, sequencer="0A"),
    some_ref("ingest", "bare.wav"),
)


def test_what_a_config_names_is_what_it_was_made_of() -> None:
    assert ObjectsConfig.of(REFS).refs() == list(REFS)


def test_a_run_is_about_the_objects_of_whichever_step_is_told_them() -> None:
    assert objects_of_run(objects_config(REFS)) == list(REFS)
    only = {"ops": {"without": {}, "with": objects_config(REFS)["ops"]["ingest_batch"]}}  # type: ignore[index]
    assert objects_of_run(only) == list(REFS)


@pytest.mark.parametrize("config", [{}, {"ops": {}}, {"ops": {"x": {"config": {"objects": []}}}}])
def test_a_run_that_names_no_objects_is_about_whole_days(config: dict[str, object]) -> None:
    assert objects_of_run(config) == []


def test_the_launchpad_shows_an_example_that_can_be_taken_as_it_is() -> None:
    described = str(ObjectsConfig.model_fields["objects"].description)
    example = described[described.index("{") : described.index("}") + 1]
    (ref,) = ObjectsConfig(objects=[ObjectConfig.model_validate_json(example)]).refs()
    assert (ref.bucket, ref.key) == ("ingest", "audio_1.wav")
    assert ref.arrived == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_every_field_is_described() -> None:
    for config in (ObjectConfig, ObjectsConfig):
        fields = config.to_config_schema().as_field().config_type.fields  # type: ignore[attr-defined]
        assert [name for name, each in fields.items() if not each.description] == []


def test_what_is_no_object_is_refused_before_the_run_starts() -> None:
    @dg.op
    def told(config: ObjectsConfig) -> None:
        config.refs()

    @dg.job
    def telling() -> None:
        told()

    wrong = {"ops": {"told": {"config": {"objects": [{"bucket": "ingest"}]}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match=r"arrived"):
        telling.execute_in_process(run_config=wrong)
