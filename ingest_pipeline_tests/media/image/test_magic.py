import pytest

from ingest_pipeline.media.image.magic import container_by_fields, container_by_magic
from ingest_pipeline_tests.media.test_sniff import NO_PICTURES


@pytest.mark.parametrize("head", [head for head, _ in NO_PICTURES])
def test_what_only_begins_like_a_picture_is_none(head: bytes) -> None:
    assert container_by_magic(head) is None
    assert container_by_fields(head, len(head)) is None
