import pytest

from ingest_pipeline.aws.rekognition import RekognitionLabeler
from ingest_pipeline.aws.transcribe import TranscribeTranscriber
from ingest_pipeline.defs.common.wiring import Resources, resources
from ingest_pipeline.settings import Settings
from ingest_pipeline_tests.world import World

ELSEWHERE = "http://127.0.0.1:9"


@pytest.fixture
def wired(world: World) -> Resources:
    return world.wired


def test_labels_are_out_of_date_where_the_model_or_a_threshold_is_another(world: World) -> None:
    def version(**changes: object) -> str:
        return resources(world.settings.model_copy(update=changes)).labeler.version

    versions = [version(), version(max_labels=7), version(min_confidence=50.0)]
    assert len(set(versions)) == len(versions)
    assert version(labeler_threads=2) == version(), "threads change no label"


def test_the_engine_is_the_one_that_the_settings_name() -> None:
    config = Settings(
        labeler="rekognition",
        rekognition_endpoint=ELSEWHERE,
        region="us-east-1",
        endpoint_url=ELSEWHERE,
    )
    labelling = resources(config).labeler.labelling("a-run")
    assert isinstance(labelling.labeler, RekognitionLabeler)
    assert labelling.run_id == "a-run"


def test_transcribe_is_asked_in_the_language_and_for_the_bucket_of_the_settings() -> None:
    config = Settings(
        transcriber="transcribe",
        transcribe_endpoint=ELSEWHERE,
        transcribe_language="de-DE",
        max_transcribed_seconds=60,
        rendition_bucket="made",
        region="us-east-1",
        endpoint_url=ELSEWHERE,
    )
    resource = resources(config).transcriber
    transcriber = resource.asking("a-run").transcriber
    assert isinstance(transcriber, TranscribeTranscriber)
    assert (transcriber.bucket, transcriber.language) == ("made", "de-DE")
    assert (transcriber.longest_seconds, resource.version) == (60, "transcribe/de-DE/1")
    assert transcriber.clients.transcribe.meta.endpoint_url == ELSEWHERE
    any_language = resources(config.model_copy(update={"transcribe_language": ""})).transcriber
    assert any_language.version == "transcribe/any/1"


def test_a_process_loads_its_model_once(wired: Resources) -> None:
    assert wired.labeler.labelling().labeler is wired.labeler.labelling("another run").labeler


def test_what_is_made_is_of_the_run_that_made_it(wired: Resources) -> None:
    assert wired.previewer.previewer("a-run").run_id == "a-run"
    assert wired.previewer.previewer().run_id is None


def test_requests_go_to_the_queues_that_the_ui_shows(wired: Resources) -> None:
    asks = wired.requests.requests
    assert asks.rendition_queue.name == wired.requests.rendition_queue
    assert asks.enrichment_queue.name == wired.requests.enrichment_queue
    assert (len(asks.rendition_makers), len(asks.enrichment_makers)) == (1, 3)
