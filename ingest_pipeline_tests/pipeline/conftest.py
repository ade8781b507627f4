"""Session trees, for what brings sessions in."""

import pytest

from ingest_pipeline_tests.embedded import EmbeddedAws
from ingest_pipeline_tests.sessions.trees import Tree


@pytest.fixture
def tree(embedded_aws: EmbeddedAws) -> Tree:
    return Tree(embedded_aws)
