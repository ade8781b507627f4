"""Which requests come from this machine's own programs and pages."""

import pytest

from ingest_pipeline.local.visitors import stranger

EVIL = "https://evil.example"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost:4566"},
        {"host": "127.0.0.1:4566"},
        {"host": "[::1]:4566"},
        {"host": "ingest.localhost:4566"},
        {"host": "localhost", "origin": "http://localhost:8000"},
        {"host": "localhost", "origin": "http://127.0.0.1:8000", "sec-fetch-site": "cross-site"},
        {"host": "localhost", "sec-fetch-site": "same-site"},
        {"host": "localhost", "sec-fetch-site": "none"},
    ],
)
def test_ours(headers: dict[str, str]) -> None:
    assert stranger(headers) is None


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "it was sent to the host '', wanted localhost or 127.0.0.1"),
        ({"host": "evil.example:4566"}, "it was sent to the host 'evil.example'"),
        ({"host": "localhost.evil.example"}, "it was sent to the host 'localhost.evil.example'"),
        ({"host": "127.0.0.1.evil.example"}, "it was sent to the host '127.0.0.1.evil.example'"),
        ({"host": "127.0.0.1@evil.example"}, "it was sent to the host 'evil.example'"),
        ({"host": "[::1"}, "it was sent to the host ''"),
        ({"host": "localhost", "origin": EVIL}, f"a page of {EVIL} asks"),
        ({"host": "localhost", "origin": "null"}, "a page of null asks"),
        ({"host": "localhost", "origin": ""}, "a page of  asks"),
        ({"host": "localhost", "origin": "http://evil.example:8000"}, "a page of http://evil"),
        ({"host": "localhost", "sec-fetch-site": "cross-site"}, "a page of another site asks"),
    ],
)
def test_foreign(headers: dict[str, str], why: str) -> None:
    assert str(stranger(headers)).startswith(why)
