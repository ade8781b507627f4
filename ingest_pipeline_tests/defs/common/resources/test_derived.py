from ingest_pipeline.aws.mediaconvert.service import MediaConvert
from ingest_pipeline_tests.world import World


def test_it_works_in_the_bucket_that_the_ui_shows(world: World) -> None:
    resource = world.wired.derived
    assert resource.derived.bucket == resource.bucket == world.settings.rendition_bucket


def test_without_a_service_there_is_no_job_to_cancel(world: World) -> None:
    world.wired.derived.derived.cancel("153-x")


def test_a_job_is_canceled_at_the_service_that_the_settings_name(world: World) -> None:
    aws = world.wired.aws.model_copy(update={"mediaconvert_endpoint": "http://127.0.0.1:9"})
    role = "arn:aws:iam::111122223333:role/transcode"
    resource = world.wired.derived.model_copy(update={"aws": aws, "mediaconvert_role": role})
    service = getattr(resource.derived.cancel, "__self__", None)
    assert isinstance(service, MediaConvert)
    assert service.role == role
    assert service.clients.mediaconvert.meta.endpoint_url == "http://127.0.0.1:9"
