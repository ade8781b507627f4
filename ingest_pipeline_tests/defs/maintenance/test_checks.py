import dagster as dg

from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.maintenance.looking import look
from ingest_pipeline_tests.world import World


def test_the_checks_find_dead_letters_and_agreement(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    ref: ObjectRef = our_world.put("a.wav", wavs.valid())
    checks = look(instance)
    assert {name: check.passed for name, check in checks.items()} == {
        "bucket_and_tables_agree": True,  # the object is too young to have been missed
        "indexed_objects_are_enriched": True,
        "dead_letter_queues_empty": True,
    }
    for each in our_world.system.queues:
        each.dead_letters.send("dead")
    dead = look(instance)["dead_letter_queues_empty"]
    assert not dead.passed
    names = [each.dead_letters.name for each in our_world.system.queues]
    assert {name: value.value for name, value in dead.metadata.items()} == dict.fromkeys(names, 1)
    assert our_world.content(ref.key)
