import os

import pytest

from ingest_pipeline.media.sandbox.wire import read_all


def test_a_pipe_that_ends_early_is_told() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"abc")
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe, pytest.raises(EOFError, match="3 of 4 bytes"):
        read_all(pipe, 4)
