import dagster as dg

from ingest_pipeline.definitions import defs
from ingest_pipeline.records.tables import PREVIEWS, report_key
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.runs import metadata, selected_by
from ingest_pipeline_tests.world import World


def test_the_job_makes_all_and_answers() -> None:
    assert selected_by("enrich_objects") == {
        *("previews", "image_labels", "transcripts", "enrichment_receipts"),
    }


def test_a_run_of_a_day_makes_what_all_that_is_indexed_of_it_lacks(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    good, bad = our_world.put("a.wav", wavs.valid()), our_world.put("bad.wav", wavs.wrong_rate())
    our_world.ingest([good, bad])
    job = defs().resolve_job_def("enrich_objects")
    result = job.execute_in_process(instance=instance, partition_key=good.day)
    assert metadata(result, "enrichment_receipts") == {"objects": 1, "messages": 0}
    assert our_world.tables.get(PREVIEWS, report_key(good.uri, good.row_version)) is not None
    assert our_world.tables.get(PREVIEWS, report_key(bad.uri, bad.row_version)) is None
