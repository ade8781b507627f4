from urllib.parse import quote, urlsplit

import httpx
import pytest

from ingest_pipeline.catalogue.links import Links, Use, content_type
from ingest_pipeline.media.model import Kind, Probe
from ingest_pipeline.records.model import ObjectRef, Outcome, Report, Verdict
from ingest_pipeline_tests.catalogue.past import preview_of, rendition_of
from ingest_pipeline_tests.world import World

HTML = b"<script>alert(document.domain)</script>"
WAV = Probe(kind=Kind.AUDIO, container="wav")


@pytest.fixture
def links(world: World) -> Links:
    return Links(world.clients.s3)


def report(ref: ObjectRef, probe: Probe | None) -> Report:
    return Report(
        bucket=ref.bucket,
        key=ref.key,
        version=ref.row_version,
        day=ref.day,
        probe=probe,
        verdict=Verdict.VALID,
        outcome=Outcome.INDEXED,
        judged_at=ref.arrived,
    )


def headers(link: str) -> tuple[str, str | None]:
    answer = httpx.get(link, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.headers["Content-Type"], answer.headers.get("Content-Disposition")


@pytest.mark.parametrize(
    ("probe", "wanted"),
    [
        (WAV, "audio/wav"),
        (Probe(kind=Kind.VIDEO, container="mov"), "video/quicktime"),
        (Probe(kind=Kind.IMAGE, container="tiff"), None),
        (Probe(kind=Kind.OTHER, container="text"), None),
        (Probe(kind=Kind.EMPTY), None),
        (None, None),
    ],
)
def test_a_type_is_told_by_the_content_where_a_browser_shows_it(
    world: World, probe: Probe | None, wanted: str | None
) -> None:
    assert content_type(report(world.put("a.html", HTML), probe)) == wanted


def test_what_is_shown_has_the_type_of_its_content_and_what_is_saved_its_name(
    world: World, links: Links
) -> None:
    world.clients.s3.put_object(
        Bucket=world.bucket, Key="dir/ü 1.html", Body=HTML, ContentType="text/html"
    )
    named = quote("ü 1.html", safe="")
    saved = ("application/octet-stream", f"attachment; filename*=UTF-8''{named}")
    ref = ObjectRef(bucket=world.bucket, key="dir/ü 1.html", arrived=world.put("x", b"").arrived)
    recording, page = report(ref, WAV), report(ref, None)
    assert headers(links.content(recording, Use.of(recording, download=False))) == (
        "audio/wav",
        "inline",
    )
    assert headers(links.content(recording, Use.of(recording, download=True))) == saved
    assert headers(links.content(page, Use.of(page, download=False))) == saved


def test_renditions_and_pictures_are_linked_to_where_they_lie(world: World, links: Links) -> None:
    made_of = report(world.put("a.webm", b"video"), None)
    rendition = rendition_of(made_of).model_copy(
        update={"rendition_bucket": world.bucket, "rendition_key": "a.mp4"}
    )
    preview = preview_of(made_of).model_copy(
        update={"preview_bucket": world.bucket, "content_type": "image/png"}
    )
    world.put("a.mp4", b"rendition")
    world.put("a.png", b"picture")
    assert headers(links.rendition(rendition))[0] == "video/mp4"
    picture = httpx.get(links.picture(preview, "a.png"), trust_env=False)
    assert (picture.content, picture.headers["Content-Type"]) == (b"picture", "image/png")
    assert picture.headers["Cache-Control"] == "private, max-age=604800, immutable"


def test_a_file_of_the_told_size_is_put_by_a_link(world: World, links: Links) -> None:
    link = links.upload(world.bucket, "a.wav", 4)
    assert httpx.put(link, content=b"12345", trust_env=False).status_code == 403
    assert httpx.put(link, content=b"1234", trust_env=False).status_code == 200
    assert world.content("a.wav") == b"1234"


def test_all_links_to_a_bucket_have_its_origin(world: World, links: Links) -> None:
    link = urlsplit(links.upload(world.bucket, "a.wav", 4))
    assert links.origin(world.bucket) == f"{link.scheme}://{link.netloc}"
