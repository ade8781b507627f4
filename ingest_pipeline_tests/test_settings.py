from collections.abc import Iterator

import pytest

from ingest_pipeline.settings import SettingsError, settings

ROLE = "arn:aws:iam::111122223333:role/transcode"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("AWS_ENDPOINT_URL_MEDIACONVERT", raising=False)
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_ffmpeg_unless_told_otherwise() -> None:
    assert settings().transcoder == "ffmpeg"
    assert settings().ffmpeg is None


def test_elastic_transcoder_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_TRANSCODER", "elastictranscoder")
    with pytest.raises(SettingsError) as caught:
        settings()
    assert str(caught.value) == (
        "INGEST_TRANSCODER is 'elastictranscoder': Value error, Amazon Elastic Transcoder was "
        "closed on 2025-11-13 and answers nobody any more; set mediaconvert, the service that "
        "succeeds it, or ffmpeg"
    )


def test_what_is_unknown_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_TRANSCODER", "handbrake")
    with pytest.raises(SettingsError, match=r"^INGEST_TRANSCODER is 'handbrake': Input should be"):
        settings()


def test_mediaconvert_needs_a_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_TRANSCODER", "mediaconvert")
    monkeypatch.setenv("INGEST_AWS", "real")
    with pytest.raises(SettingsError, match="INGEST_MEDIACONVERT_ROLE is not set while"):
        settings()
    monkeypatch.setenv("INGEST_MEDIACONVERT_ROLE", ROLE)
    settings.cache_clear()
    assert settings().mediaconvert_role == ROLE


def test_mediaconvert_is_not_looked_for_in_the_embedded_aws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INGEST_TRANSCODER", "mediaconvert")
    monkeypatch.setenv("INGEST_MEDIACONVERT_ROLE", ROLE)
    with pytest.raises(SettingsError, match="while INGEST_AWS is 'embedded', which has no Media"):
        settings()
    monkeypatch.setenv("AWS_ENDPOINT_URL_MEDIACONVERT", "http://127.0.0.1:9")
    settings.cache_clear()
    assert settings().mediaconvert_endpoint == "http://127.0.0.1:9"
