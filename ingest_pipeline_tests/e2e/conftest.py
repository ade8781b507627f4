"""The whole system, started once for the tests that share it."""

from collections.abc import Iterator

import pytest

from ingest_pipeline_tests.system import RunningSystem


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """`ingest-pipeline dev`, one a module; stopped by Ctrl-C, nothing left behind."""
    system = RunningSystem(tmp_path_factory.mktemp("system"))
    system.start()
    try:
        yield system
    finally:
        code = system.stop()
        left = system.processes()
        for process in left:
            process.kill()
        assert not left, f"left behind: {left}"
        assert code == 0, system.log.read_text()
