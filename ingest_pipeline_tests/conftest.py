"""What many tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest_pipeline.media.image.reader import warm_reader
from ingest_pipeline.media.speech.local import close_warm
from ingest_pipeline_tests.browser import Browser, Tab, chromium, opened_tab
from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.sessions.servers import MISSING
from ingest_pipeline_tests.world import World


@pytest.fixture(scope="session")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """The embedded AWS with its stack, one a test session: use keys of your own."""
    aws = EmbeddedAws(tmp_path_factory.mktemp("embedded-aws"))
    aws.start()
    try:
        aws.wait_ready()
        yield aws
    finally:
        aws.stop()


@pytest.fixture(autouse=True)
def no_child_stays() -> Iterator[None]:
    """The process of the tests serves many of them, some of which count its children."""
    yield
    warm_reader().close()
    close_warm()


@pytest.fixture
def world(embedded_aws: EmbeddedAws, tmp_path: Path) -> World:
    """A bucket, queues and rules of the test's own."""
    return World(embedded_aws, tmp_path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window, one a module."""
    with chromium() as launched:
        yield launched


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    """A tab of the test's own."""
    with opened_tab(browser) as opened:
        yield opened


def pytest_report_header() -> list[str]:
    """Say which databases the suite does without."""
    return [f"NOT TESTED: {kind}, nothing listens at {url}" for kind, url in MISSING.items()]
