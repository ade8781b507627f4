"""What the tests of sessions in Dagster share."""

import pytest

from ingest_pipeline.pipeline.queue import leases as receipts_module


@pytest.fixture(autouse=True)
def shown_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts_module, "_RETRY_SECONDS", 0)
