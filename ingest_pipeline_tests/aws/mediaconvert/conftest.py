from collections.abc import Iterator

import pytest

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.aws.mediaconvert.service import MediaConvert
from ingest_pipeline.settings import Settings
from ingest_pipeline_tests.aws.mediaconvert.jobs import ROLE
from ingest_pipeline_tests.mediaconvert import StandIn, stand_in


@pytest.fixture
def service() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


@pytest.fixture
def mediaconvert(service: StandIn) -> MediaConvert:
    return MediaConvert(connect(Settings(mediaconvert_endpoint=service.endpoint)), ROLE)
