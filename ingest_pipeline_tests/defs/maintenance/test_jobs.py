import json

import dagster as dg
import pytest

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.queues import Depth
from ingest_pipeline.media.model import Reason
from ingest_pipeline.records.model import Outcome
from ingest_pipeline.records.tables import REPORTS
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.maintenance.looking import at_once, look, reconcile
from ingest_pipeline_tests.defs.runs import requests, run_as_requested
from ingest_pipeline_tests.media.clips import big_buck_bunny
from ingest_pipeline_tests.world import World, bodies


def test_the_reconciliation_asks_again_for_what_an_indexed_object_lacks(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    ref = our_world.put("a.wav", wavs.valid())
    our_world.ingest([ref])
    check = look(instance)["indexed_objects_are_enriched"]
    assert (check.passed, check.metadata["lacking"].value) == (False, 1)
    assert our_world.system.queues.enrichment.queue.depth() == Depth(0, 0), (
        "a look asks for nothing"
    )
    for _ in range(2):  # what waits is not lost: it is asked for once
        reconcile(instance)
    not_looked = look(instance)["indexed_objects_are_enriched"]
    assert (not_looked.passed, not_looked.metadata["looked"].value) == (False, False)
    assert str(not_looked.description).startswith("Not looked: messages wait in ")
    assert [json.loads(body) for body in bodies(our_world.system.queues.enrichment.queue)] == [
        json.loads(ingest_body(ref))
    ]


def test_the_reconciliation_tries_no_video_again_that_cannot_be_transcoded(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    (report,) = our_world.ingest([our_world.put("a.mp4", big_buck_bunny().read_bytes())])
    assert look(instance)["indexed_objects_are_enriched"].metadata["lacking"].value == 1
    reconcile(instance)
    assert len(bodies(our_world.system.queues.rendition.queue)) == 1
    reason = Reason(rule="transcodable", found="no frame", wanted="a rendition")
    our_world.tables.put(REPORTS, [report.becomes(Outcome.INDEXED, reasons=(reason,))])
    assert look(instance)["indexed_objects_are_enriched"].passed
    reconcile(instance)
    assert bodies(our_world.system.queues.rendition.queue) == []


def test_the_reconciliation_sends_what_was_missed(
    our_world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    ref = our_world.put("missed.wav", wavs.valid())
    check = look(instance)["bucket_and_tables_agree"]
    assert not check.passed
    assert check.metadata["differences"].value == 1
    assert our_world.system.queues.ingest.queue.depth() == Depth(0, 0), "a look sends nothing"
    reconcile(instance)
    (request,) = requests(instance)
    assert run_as_requested(instance, "ingest_objects", request).success
    assert our_world.report(ref).outcome is Outcome.INDEXED
    assert look(instance)["bucket_and_tables_agree"].passed
