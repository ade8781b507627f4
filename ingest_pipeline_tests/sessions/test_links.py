from urllib.parse import parse_qs, urlsplit

import pytest

from ingest_pipeline.sessions.links import recording_link


@pytest.mark.parametrize("base", ["https://media.example/catalogue", "https://media.example/"])
@pytest.mark.parametrize("key", ["V236/230717/a.wav", "V 2+3%/../&x=1#ü 🌧.wav", "/a//b?.wav"])
def test_a_link_leads_to_the_object_under_its_key_as_it_is(base: str, key: str) -> None:
    link = urlsplit(recording_link(base, f"s3://sessions/{key}"))
    assert link.scheme == "https"
    assert link.path == f"{urlsplit(base).path.rstrip('/')}/content/sessions"
    assert parse_qs(link.query) == {"key": [key]}
    assert not link.fragment
