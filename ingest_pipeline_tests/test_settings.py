import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest_pipeline.settings import (
    Settings,
    SettingsError,
    child_environment,
    is_loopback,
    settings,
)

ROLE = "arn:aws:iam::111122223333:role/transcode"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in os.environ:
        if name.startswith(("AWS_", "INGEST_")):
            monkeypatch.delenv(name)
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


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """What is said of these settings."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        settings()
    return str(caught.value)


def test_two_things_cannot_have_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, INGEST_UI_PORT="8000") == (
        "Value error, INGEST_AWS_PORT, INGEST_UI_PORT and INGEST_API_PORT must differ, "
        "found [4566, 8000, 8000]"
    )


def test_nobody_posts_in_anybodys_name_from_another_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert refusal(monkeypatch, INGEST_API_HOST="0.0.0.0") == (  # noqa: S104
        "Value error, INGEST_API_HOST is '0.0.0.0' while INGEST_AUTH is 'header': anyone could "
        "post in anyone's name; set INGEST_AUTH=jwt, or listen on 127.0.0.1"
    )


def test_tokens_need_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, INGEST_AUTH="jwt") == (
        "Value error, INGEST_AUTH is 'jwt': set one of INGEST_JWT_KEY, INGEST_JWT_KEY_FILE and "
        "INGEST_JWKS_URL, found 0"
    )


def test_tokens_have_one_key_and_no_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"INGEST_JWT_KEY": "not-for-others", "INGEST_JWKS_URL": "https://issuer.example/keys"}
    told = refusal(monkeypatch, INGEST_AUTH="jwt", **keys)
    assert told.endswith("INGEST_JWT_KEY, INGEST_JWT_KEY_FILE and INGEST_JWKS_URL, found 2")
    assert "not-for-others" not in told


@pytest.mark.parametrize("url", ["http://issuer.example/keys", "ftp://127.0.0.1/keys", "keys"])
def test_keys_come_over_https(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert refusal(monkeypatch, INGEST_AUTH="jwt", INGEST_JWKS_URL=url) == (
        f"Value error, INGEST_JWKS_URL is {url!r}: keys are taken over https only"
    )


@pytest.mark.parametrize("url", ["https://issuer.example/keys", "http://127.0.0.1:9/keys"])
def test_keys_of_this_machine_need_no_https(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("INGEST_AUTH", "jwt")
    monkeypatch.setenv("INGEST_JWKS_URL", url)
    assert settings().jwks_url == url


def test_rekognition_is_not_looked_for_in_the_embedded_aws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert refusal(monkeypatch, INGEST_LABELER="rekognition") == (
        "Value error, INGEST_LABELER is 'rekognition' while INGEST_AWS is 'embedded', which has "
        "no Rekognition: set INGEST_AWS=real, or INGEST_LABELER=local"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", "http://127.0.0.1:9")
    settings.cache_clear()
    assert settings().rekognition_endpoint == "http://127.0.0.1:9"


def test_transcribe_is_not_looked_for_in_the_embedded_aws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert refusal(monkeypatch, INGEST_TRANSCRIBER="transcribe") == (
        "Value error, INGEST_TRANSCRIBER is 'transcribe' while INGEST_AWS is 'embedded', which has "
        "no Transcribe: set INGEST_AWS=real, or INGEST_TRANSCRIBER=local"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE", "http://127.0.0.1:9")
    settings.cache_clear()
    assert settings().transcribe_endpoint == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("INGEST_AWS", "azure", "Input should be 'embedded' or 'real'"),
        ("INGEST_AWS_PORT", "0", "Input should be greater than or equal to 1"),
        ("INGEST_UI_PORT", "65536", "Input should be less than or equal to 65535"),
        ("INGEST_API_PORT", "http", "Input should be a valid integer, unable to parse string"),
        ("INGEST_API_HOSTS", "a b", "String should match pattern"),
        ("INGEST_AUTH", "none", "Input should be 'header' or 'jwt'"),
        ("INGEST_JWT_LEEWAY_SECONDS", "301", "Input should be less than or equal to 300"),
        ("INGEST_MAX_OBJECTS_PER_RUN", "1001", "Input should be less than or equal to 1000"),
        ("INGEST_VISIBILITY_SECONDS", "9", "Input should be greater than or equal to 10"),
        ("INGEST_MAX_UPLOAD_BYTES", "0", "Input should be greater than or equal to 1"),
        ("INGEST_LABELER", "oracle", "Input should be 'local' or 'rekognition'"),
        ("INGEST_TRANSCRIBER", "x", "Input should be 'local', 'transcribe' or 'none'"),
        ("INGEST_TRANSCRIBE_LANGUAGE", "en", "String should match pattern"),
        ("INGEST_MIN_CONFIDENCE", "101", "Input should be less than or equal to 100"),
    ],
)
def test_a_value_is_refused_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    told = refusal(monkeypatch, **{name: value})
    assert told.startswith(f"{name} is {value!r}: {why}")
    assert "\n" not in told


def test_every_mistake_is_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refusal(monkeypatch, INGEST_AWS_PORT="0", INGEST_WAIT_SECONDS="-1")
    assert [line.split()[0] for line in told.splitlines()] == [
        "INGEST_AWS_PORT",
        "INGEST_WAIT_SECONDS",
    ]


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_is_that_of_the_aws_tools(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "eu-central-1")
    assert settings().region == "eu-central-1"


def test_aws_answers_where_it_is_told_to_else_here_else_at_amazon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings().aws_endpoint == "http://localhost:4566"
    monkeypatch.setenv("INGEST_AWS", "real")
    settings.cache_clear()
    assert settings().aws_endpoint is None
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    settings.cache_clear()
    assert settings().aws_endpoint == "http://127.0.0.1:9"


def test_the_event_database_is_a_file_here_unless_a_url_is_given_or_a_file_with_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INGEST_HOME", str(tmp_path))
    assert settings().event_db_url == f"sqlite:///{tmp_path}/events.db"
    monkeypatch.setenv("INGEST_EVENT_DB", "postgresql+psycopg2://user:secret@host/db")
    settings.cache_clear()
    assert settings().event_db_url == "postgresql+psycopg2://user:secret@host/db"
    assert "secret" not in repr(settings())
    (tmp_path / "url").write_text("dynamodb://events\n")
    monkeypatch.setenv("INGEST_EVENT_DB_FILE", str(tmp_path / "url"))
    settings.cache_clear()
    assert settings().event_db_url == "dynamodb://events"


def test_children_find_the_state_from_any_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INGEST_HOME", "state")
    monkeypatch.setenv("INGEST_AWS_PORT", "4567")
    handed_on = child_environment(settings())
    assert handed_on["INGEST_HOME"] == str(tmp_path / "state")
    assert handed_on["DAGSTER_HOME"] == str(tmp_path / "state" / "dagster")
    assert handed_on["INGEST_AWS_PORT"] == "4567"
    assert handed_on["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    "url", ["dagster.example", "ftp://dagster.example", "https://", "https://x/?a=b"]
)
def test_an_address_is_a_whole_one(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("INGEST_DAGSTER_URL", url)
    with pytest.raises(SettingsError, match="wanted an address as https://name/path"):
        settings()


def test_where_people_look_is_told_apart_from_where_we_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().dagster_link == "http://localhost:3000"
    assert settings().catalogue_link == "http://localhost:8000"
    monkeypatch.setenv("INGEST_DAGSTER_URL", "http://webserver:3000/")
    settings.cache_clear()
    assert settings().ui_url == settings().dagster_link == "http://webserver:3000"
    monkeypatch.setenv("INGEST_DAGSTER_PUBLIC_URL", "https://dagster.example/")
    monkeypatch.setenv("INGEST_PUBLIC_URL", "https://media.example/catalogue/")
    settings.cache_clear()
    assert settings().ui_url == "http://webserver:3000"
    assert settings().dagster_link == "https://dagster.example"
    assert settings().catalogue_link == "https://media.example/catalogue"


def test_dagster_s_database_gets_the_driver_that_dagster_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("INGEST_DAGSTER_DB", "postgresql://dagster:secret@db.example/dagster")
    expected = "postgresql+psycopg2://dagster:secret@db.example/dagster"
    assert settings().dagster_db_url == expected
    file = tmp_path / "url"
    file.write_text(f"{expected}\n")
    monkeypatch.delenv("INGEST_DAGSTER_DB")
    monkeypatch.setenv("INGEST_DAGSTER_DB_FILE", str(file))
    settings.cache_clear()
    assert settings().dagster_db_url == expected


@pytest.mark.parametrize("mode", [None, 0o755, 0o700])
def test_what_lies_at_home_is_its_owners_alone(tmp_path: Path, mode: int | None) -> None:
    home = tmp_path / "some" / "home"
    if mode is not None:
        home.mkdir(parents=True)
        home.chmod(mode)
    folder = Settings(home=home).folder("aws", "s3")
    assert folder == home / "aws" / "s3"
    assert folder.is_dir()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_the_event_sinks_url_is_a_secret_or_the_content_of_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert settings().event_sink_url is None
    url = "elasticsearch+https://user:secret@host/index"
    monkeypatch.setenv("INGEST_EVENT_SINK", url)
    settings.cache_clear()
    assert settings().event_sink_url == url
    assert "secret" not in repr(settings())
    monkeypatch.setenv("INGEST_EVENT_SINK_FILE", str(tmp_path / "url"))
    settings.cache_clear()
    with pytest.raises(SettingsError, match=r"^INGEST_EVENT_SINK_FILE: .* No such file"):
        _ = settings().event_sink_url
    (tmp_path / "url").write_text("elasticsearch+https://other/index\n")
    assert settings().event_sink_url == "elasticsearch+https://other/index"


def test_a_form_or_level_of_logs_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refusal(monkeypatch, INGEST_LOG_FORMAT="xml", INGEST_LOG_LEVEL="loud")
    assert "INGEST_LOG_FORMAT is 'xml': Input should be 'plain' or 'json'" in told
    assert "INGEST_LOG_LEVEL is 'loud'" in told
