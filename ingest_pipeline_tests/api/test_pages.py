import base64
import html
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import httpx
import numpy as np
import pytest
import soundfile
from pydantic import SecretStr

from ingest_pipeline.api.auth import hash_password
from ingest_pipeline.api.pages import words
from ingest_pipeline.aws.objects.state import object_state
from ingest_pipeline.catalogue.pages import PAGE
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.media.model import Kind, Quality, Reason, Spoken
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Preview,
    Report,
    Transcript,
)
from ingest_pipeline.records.tables import (
    PREVIEWS,
    REPORTS,
    TRANSCRIPTS,
)
from ingest_pipeline.sessions.links import recording_link
from ingest_pipeline.settings import Settings
from ingest_pipeline.system import System
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.api.serving import ALICE, serving
from ingest_pipeline_tests.world import World, bodies, some_ref

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ODD_KEYS = [
    "plain.wav",
    "a/b c+d%2F.wav",
    "<img src=x onerror=alert(1)>.wav",
    "\"><script>alert('x')</script>&amp;.wav",
    "🎙️ 👩‍🚀.wav",
    "تسجيل المقابلة.wav",
    "\u202egnp.exe.wav",
    "{{ 7*7 }}{% raw %}.wav",
    "../up/./here.wav",
    "/leading//slashes/",
    "what?#and.wav",
    "new\nline.wav",
    "x" * 1024,
    "ü" * 512,
]


@pytest.fixture
def pages(world: World) -> Iterator[httpx.Client]:
    """The API as a browser asks it, over a world of its own."""
    with serving(world.system) as client:
        client.headers.update(HTML)
        yield client


def ingest(world: World, key: str, content: bytes) -> tuple[ObjectRef, Report]:
    ref = world.put(key, content)
    (report,) = world.ingest([ref])
    return ref, report


def object_path(world: World, key: str, action: str = "") -> str:
    return f"/catalogue/{world.bucket}{action}?key={quote(key, safe='')}"


def names(page: str) -> list[str]:
    """The names on the cards, as a reader sees them."""
    found = re.findall(r'<span class="head">(.*?)</span><span class="tail">(.*?)</span>', page)
    return [html.unescape(head + tail) for head, tail in found]


def test_an_mp3_is_shown_with_what_it_has_and_can_be_played(
    pages: httpx.Client, world: World
) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((24_000, 2)), 48_000, format="MP3")
    ingest(world, "keep/song.mp3", file.getvalue())
    shown = html.unescape(pages.get(object_path(world, "keep/song.mp3")).text)
    for text in ("Bit rate", " kbit/s", "0.5 s", "48 kHz", "24,000", "<audio"):
        assert text in shown
    assert "It has no bits per sample; this bucket takes 24." in shown
    assert "Bits per sample" not in shown


def test_how_audio_sounds_is_shown_where_it_was_measured(pages: httpx.Client, world: World) -> None:
    _, report = ingest(world, "keep/a.wav", wavs.valid())
    assert report.probe is not None
    assert report.probe.audio is not None
    quality = Quality(
        integrated_loudness=-23.04,
        true_peak=-1.5,
        clipped_samples=1234,
        leading_silence_seconds=1.5,
        trailing_silence_seconds=0.7,
        dc_offset=0.0125,
    )
    audio = report.probe.audio.model_copy(update={"quality": quality})
    probe = report.probe.model_copy(update={"audio": audio})
    world.tables.put(REPORTS, [report.model_copy(update={"probe": probe})])
    shown = html.unescape(pages.get(object_path(world, "keep/a.wav")).text)
    for text in ("-23.0 LUFS", "-1.5 dBTP", "1,234", "1.50 s at the start, 0.70 s at the end"):
        assert text in shown
    assert "1.25 % of full scale" in shown
    assert world.system.history(world.bucket, "keep/a.wav").report.quality == quality


# --- who gets what --------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["application/json", "*/*", ""])
def test_who_does_not_ask_for_a_page_gets_a_sign_of_life(pages: httpx.Client, accept: str) -> None:
    response = pages.get("/", headers={"Accept": accept})
    assert response.json() == {"hello": "world"}


def test_pages_of_other_origins_get_a_sign_of_life_only(pages: httpx.Client) -> None:
    headers = {"Origin": "https://elsewhere.example"}
    assert pages.get("/", headers=headers).json() == {"hello": "world"}
    response = pages.get("/catalogue/ingest?key=x", headers=headers)
    assert "Access-Control-Allow-Origin" not in response.headers


GUARDED = [
    ("GET", "/"),
    ("GET", "/catalogue/ingest?key=x"),
    ("POST", "/catalogue/ingest/restore?key=x"),
    ("POST", "/catalogue/ingest/again?key=x"),
    ("GET", "/content/ingest?key=x&version=y"),
    ("GET", "/pictures/ingest?key=x&version=y"),
    ("GET", "/transcripts/ingest?key=x&version=y"),
    ("GET", "/uploads?key=x&etag=y"),
    ("POST", "/uploads"),
    ("GET", "/static/catalogue.css"),
]


@pytest.fixture
def public_pages(world: World, tmp_path: Path) -> Iterator[httpx.Client]:
    """The same as it answers off loopback."""
    users = tmp_path / "users"
    users.write_text(f"{ALICE[0]}:{hash_password(ALICE[1])}\n", encoding="utf-8")
    config = world.settings.model_copy(
        update={
            "api_host": "0.0.0.0",  # noqa: S104 - the test's own server listens elsewhere
            "api_hosts": "127.0.0.1",
            "auth": "jwt",
            "jwt_key": SecretStr("0123456789abcdef0123456789abcdef"),
            "basic_users": users,
        }
    )
    with serving(System(config)) as client:
        client.headers.update(HTML)
        yield client


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_off_loopback_nothing_is_shown_without_a_password(
    public_pages: httpx.Client, method: str, path: str
) -> None:
    for auth in (None, (ALICE[0], "wrong")):
        response = public_pages.request(method, path, auth=auth)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic ")
        assert "queues" not in response.text
    allowed = public_pages.request(method, path, auth=ALICE)
    assert allowed.status_code not in {401, 403, 500}


@pytest.mark.parametrize("action", ["restore", "again"])
@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null"])
def test_pages_of_other_origins_change_nothing(
    pages: httpx.Client, world: World, action: str, origin: str
) -> None:
    ref, report = ingest(world, "a.wav", wavs.wrong_rate())
    path = object_path(world, "a.wav", f"/{action}")
    response = pages.post(path, headers={"Origin": origin})
    assert response.status_code == 403
    assert world.report(ref) == report
    assert bodies(world.system.queues.ingest.queue) == []


def test_a_page_may_load_its_own_files_and_objects_and_nothing_else(pages: httpx.Client) -> None:
    headers = pages.get("/").headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    storage = pages_storage(policy)
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"'self' {storage}",
        "media-src": f"'self' blob: {storage}",
        "connect-src": f"'self' {storage}",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


def pages_storage(policy: dict[str, str]) -> str:
    (_, storage) = policy["img-src"].split()
    assert urlsplit(storage).hostname == "localhost"
    return storage


def test_pages_have_no_inline_script_style_or_address_of_elsewhere(
    pages: httpx.Client, world: World
) -> None:
    ingest(world, "a.wav", wavs.wrong_rate())
    for path in ("/", object_path(world, "a.wav"), "/?cursor=x"):
        page = pages.get(path).text
        assert not re.search(r"<script(?![^>]* src=\"/static/)", page)
        assert not re.search(r"<style|\sstyle=|\son\w+=", page)
        elsewhere = set(re.findall(r'(?:src|href)="(\w+:[^"]*)"', page))
        assert all(each.startswith(world.settings.ui_url) for each in elsewhere)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_name_is_shown_as_text_and_leads_to_its_page(
    pages: httpx.Client, world: World, key: str
) -> None:
    ingest(world, key, wavs.wrong_rate())
    page = pages.get("/", params={"name": key[:40]}).text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    href = next(
        href
        for href in map(html.unescape, re.findall(r'<a href="(/catalogue/[^"]*)"', page))
        if urlsplit(href).path == f"/catalogue/{world.bucket}"
        and parse_qs(urlsplit(href).query)["key"] == [key]
    )
    shown = pages.get(href)
    assert shown.status_code == 200
    assert "Sample rate is 44.1 kHz; this bucket takes 48 kHz." in shown.text
    assert html.escape(words.folder_and_name(words.visible(key))[1], quote=False) in (
        html.escape(html.unescape(shown.text), quote=False)
    )
    assert "<script>alert" not in shown.text
    assert "\u202e" not in shown.text


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_name_is_restored_by_its_form(pages: httpx.Client, world: World, key: str) -> None:
    ref, _ = ingest(world, key, wavs.wrong_rate())
    page = pages.get(object_path(world, key)).text
    (action,) = re.findall(r'<form method="post" action="([^"]*)"', page)
    done = pages.post(html.unescape(action))
    assert done.status_code == 303
    after = pages.get(done.headers["Location"])
    assert "It is back in its bucket" in after.text
    assert world.report(ref).restored_at is not None
    assert world.content(key) == wavs.wrong_rate()


def test_reasons_and_metadata_are_escaped(pages: httpx.Client, world: World) -> None:
    ref, report = ingest(world, "a.wav", wavs.wrong_rate())
    bad = Reason(rule="<b>rule</b>", found="<script>alert(1)</script>", wanted="\"'>")
    world.tables.put(REPORTS, [report.becomes(Outcome.REJECTED, reasons=(bad,))])
    for path in (object_path(world, "a.wav"), f"/?name={ref.key}"):
        page = pages.get(path).text
        assert "<script>alert" not in page
        assert "<b>rule" not in page


# --- asking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "cursor=rubbish",
        "cursor=%F0%9F%92%A5",
        "kind=sculpture",
        "outcome=nice",
        "first=yesterday",
        "name=" + "x" * 2000,
    ],
)
def test_what_cannot_be_asked_is_explained_in_a_page(pages: httpx.Client, query: str) -> None:
    response = pages.get(f"/?{query}")
    assert response.status_code == 400
    assert response.headers["Content-Type"].startswith("text/html")
    assert "<h1>That " in response.text


def test_fields_of_the_form_that_are_left_empty_ask_for_nothing(pages: httpx.Client) -> None:
    assert pages.get("/?name=&label=&kind=&outcome=&first=&last=").status_code == 200


def test_a_search_is_kept_by_the_filters_and_shown_in_its_form(pages: httpx.Client) -> None:
    name = 'a "b" & <c>'
    page = pages.get("/", params={"name": name, "kind": "audio", "label": 'say "cheese"'}).text
    assert f'name="name" value="{html.escape(name).replace("&quot;", "&#34;")}"' in page
    hrefs = [html.unescape(href) for href in re.findall(r'class="chip" href="([^"]*)"', page)]
    queries = [parse_qs(urlsplit(href).query) for href in hrefs]
    assert all(query["name"] == [name] for query in queries)
    assert all(query["label"] == ['say "cheese"'] for query in queries)
    assert {"kind": ["audio"], "outcome": ["rejected"]}.items() <= queries[7].items()


def test_pages_lead_from_one_to_the_next(pages: httpx.Client, world: World) -> None:
    total = PAGE + 2
    refs = [world.put(f"{world.bucket}-{n}.wav", wavs.valid()) for n in range(total)]
    world.ingest(refs)
    first = pages.get("/", params={"name": world.bucket}).text
    (following,) = re.findall(r'rel="next" href="([^"]*)"', first)
    second = pages.get(html.unescape(following)).text
    assert sorted(names(first) + names(second)) == sorted(ref.key for ref in refs)
    assert 'rel="next"' not in second


def test_the_picture_of_a_card_leads_to_the_stored_one(pages: httpx.Client, world: World) -> None:
    _, report = ingest(world, f"{world.bucket}.wav", wavs.valid())
    key = f"previews/{world.bucket}.png"
    bucket = world.settings.rendition_bucket
    world.clients.s3.put_object(Bucket=bucket, Key=key, Body=wavs.PNG)
    world.tables.put(
        PREVIEWS,
        [
            Preview(
                bucket=report.bucket,
                key=report.key,
                version=report.version,
                day=report.day,
                kind=Kind.AUDIO,
                preview_bucket=bucket,
                preview_key=key,
                content_type="image/png",
                made_at=report.judged_at,
            )
        ],
    )
    page = pages.get("/", params={"name": world.bucket}).text
    (source,) = re.findall(r'<img src="([^"]*)"', page)
    led = pages.get(html.unescape(source))
    assert led.status_code == 307
    assert led.headers["Cache-Control"] == "private, max-age=1800"
    picture = httpx.get(led.headers["Location"])
    assert (picture.content, picture.headers["Content-Type"]) == (wavs.PNG, "image/png")


EMPTY_PLACE = b'["", "", ""]'
DEEP_PLACE = b"[" * 20_001


@pytest.mark.parametrize(
    "path",
    [
        "/pictures/ingest?key=x&version=y",
        "/content/ingest?key=x&version=y",
        "/content/ingest?key=x",
        "/content/sessions?key=x",
        "/stream/ingest/x/master.m3u8",
        f"/stream/ingest/{base64.urlsafe_b64encode(EMPTY_PLACE).decode()}/master.m3u8",
        f"/stream/ingest/{base64.urlsafe_b64encode(DEEP_PLACE).decode()}/master.m3u8",
        "/static/x.js",
    ],
    ids=range(8),
)
def test_what_is_not_there_is_not_found(pages: httpx.Client, path: str) -> None:
    assert pages.get(path).status_code == 404


def test_an_unknown_object_has_a_page_that_says_so(pages: httpx.Client, world: World) -> None:
    response = pages.get(object_path(world, "never.wav"))
    assert response.status_code == 404
    assert "Nothing is on record under this name" in response.text


# --- an object ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["keep/page.html", "refused/page.html"])
def test_what_a_browser_would_run_is_only_ever_saved(
    pages: httpx.Client, world: World, key: str
) -> None:
    page = b"<script>alert(document.domain)</script>"
    world.clients.s3.put_object(Bucket=world.bucket, Key=key, Body=page, ContentType="text/html")
    state = object_state(world.clients.s3, world.bucket, key)
    ref = some_ref(world.bucket, key, version=state.version, etag=state.etag, size=state.size)
    world.ingest([ref])
    assert (world.content(key) is None) == key.startswith("refused/")
    answer = fetched(pages, f"/content/{world.bucket}?key={key}&version={ref.version}")
    assert answer.content == page
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''page.html"


@pytest.mark.parametrize("make", [wavs.valid, wavs.wrong_rate])
def test_a_recording_is_played_whether_it_was_refused_or_not(
    pages: httpx.Client, world: World, make: Callable[[], bytes]
) -> None:
    ingest(world, "a.wav", make())
    page = pages.get(object_path(world, "a.wav")).text
    (source,) = re.findall(r'<audio [^>]*src="([^"]*)"', page)
    played = fetched(pages, html.unescape(source))
    assert (played.content, played.headers["Content-Type"]) == (make(), "audio/wav")
    (link,) = re.findall(r'href="([^"]*)">Download', page)
    saved = fetched(pages, html.unescape(link))
    assert (saved.content, saved.headers["Content-Type"]) == (make(), "application/octet-stream")
    assert saved.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a.wav"


def fetched(pages: httpx.Client, path: str) -> httpx.Response:
    """What a browser gets, wherever it is led."""
    return pages.get(path, follow_redirects=True)


def said(report: Report, *segments: Spoken, reason: Reason | None = None) -> Transcript:
    return Transcript(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        day=report.day,
        model="model/1",
        segments=segments,
        language="en",
        reason=reason,
        made_at=report.judged_at,
    )


def test_what_is_said_is_shown_with_times_that_play_it_and_given_as_files(
    pages: httpx.Client, world: World
) -> None:
    _, report = ingest(world, "a <b>.wav", wavs.valid())
    first = Spoken(start=0.5, end=2, text="Hello <i>there</i>.", confidence=80)
    second = Spoken(start=75.25, end=77, text="Mumble.", confidence=10)
    world.tables.put(TRANSCRIPTS, [said(report, first, second)])
    page = pages.get(object_path(world, "a <b>.wav")).text
    assert "Hello &lt;i&gt;there&lt;/i&gt;." in page
    assert re.findall(r'data-seek="([\d.]+)".*?>([\d:]+)<', page) == [
        ("0.5", "0:00"),
        ("75.25", "1:15"),
    ]
    text, captions = (
        html.unescape(each) for each in re.findall(r'href="(/transcripts/[^"]+)"', page)
    )
    saved = pages.get(text)
    assert saved.text == "0:00  Hello <i>there</i>.\n1:15  Mumble.\n"
    assert saved.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert saved.headers["Content-Disposition"].endswith("a%20%3Cb%3E.wav.txt")
    track = pages.get(captions.replace("&download=true", ""))
    assert track.text.startswith("WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nHello &lt;i&gt;")
    assert track.headers["Content-Type"] == "text/vtt; charset=utf-8"
    assert "Content-Disposition" not in track.headers
    assert pages.get(captions).headers["Content-Disposition"].endswith(".vtt")
    story = world.system.history(world.bucket, "a <b>.wav")
    assert story.said is not None
    assert (story.said.language, story.said.model, story.said.reason) == ("en", "model/1", None)


def test_a_recording_without_words_says_why(pages: httpx.Client, world: World) -> None:
    _, report = ingest(world, "a.wav", wavs.valid())
    reason = Reason(rule="speech", found="no voice", wanted="speech")
    world.tables.put(TRANSCRIPTS, [said(report, reason=reason)])
    page = pages.get(object_path(world, "a.wav")).text
    assert words.sentence(reason) in html.unescape(page)
    assert "/transcripts/" not in page
    query = {"key": "a.wav", "version": report.version}
    assert pages.get(f"/transcripts/{world.bucket}", params=query).status_code == 404


def test_an_address_without_a_version_leads_to_the_newest(
    pages: httpx.Client, world: World
) -> None:
    ingest(world, "lasting.wav", wavs.wrong_rate())
    ingest(world, "lasting.wav", wavs.valid())
    link = urlsplit(recording_link("https://media.example", f"s3://{world.bucket}/lasting.wav"))
    answer = fetched(pages, f"{link.path}?{link.query}")
    assert (answer.content, answer.headers["Content-Type"]) == (wavs.valid(), "audio/wav")


def test_a_recording_of_a_session_is_led_to_before_it_was_looked_at(
    pages: httpx.Client, world: World
) -> None:
    key = "V236/230717/111649/AV11_V236_230717_111649_1/nv0/ü 1+1.wav"
    world.clients.s3.put_object(Bucket=world.session_bucket, Key=key, Body=wavs.valid())
    link = urlsplit(recording_link("https://media.example", f"s3://{world.session_bucket}/{key}"))
    answer = fetched(pages, f"{link.path}?{link.query}")
    assert answer.content == wavs.valid()
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''%C3%BC")
    world.clients.s3.put_object(Bucket=world.bucket, Key=key, Body=wavs.valid())
    assert pages.get(f"/content/{world.bucket}?{link.query}").status_code == 404


def test_a_version_that_has_ended_is_not_found(pages: httpx.Client, world: World) -> None:
    ref, _ = ingest(world, "a.wav", wavs.wrong_rate())
    path = f"/content/{world.bucket}?key=a.wav&version={ref.version}"
    assert pages.get(path).status_code == 200
    world.clients.s3.delete_object(Bucket=world.bucket, Key="a.wav", VersionId=ref.version or "")
    assert pages.get(path).status_code == 404


def test_the_history_tells_every_version_with_its_run(pages: httpx.Client, world: World) -> None:
    ingest(world, "a.wav", wavs.valid())
    ref = world.put("a.wav", wavs.truncated())
    world.wired.ingest([ref], "run-2")
    page = pages.get(object_path(world, "a.wav")).text
    badges = re.findall(r'<span class="badge \w+">([^<]*)</span>', page)
    assert badges == ["Refused", "Refused", "Replaced"]
    assert f"{world.settings.ui_url}/runs/run-2" in page
    assert "Part of the file is missing" in page


def test_a_restore_of_what_was_replaced_is_refused_in_words(
    pages: httpx.Client, world: World
) -> None:
    ref, report = ingest(world, "a.wav", wavs.wrong_rate())
    world.put("a.wav", wavs.valid())
    response = pages.post(object_path(world, "a.wav", "/restore"))
    assert response.status_code == 409
    assert "a newer file stands under its name" in response.text
    assert world.report(ref) == report


def test_a_restore_of_nothing_and_of_what_has_ended_is_refused_in_words(
    pages: httpx.Client, world: World
) -> None:
    response = pages.post(object_path(world, "never.wav", "/restore"))
    assert (response.status_code, "There is nothing to restore" in response.text) == (409, True)
    ref, _ = ingest(world, "a.wav", wavs.wrong_rate())
    world.clients.s3.delete_object(Bucket=world.bucket, Key="a.wav", VersionId=ref.version or "")
    response = pages.post(object_path(world, "a.wav", "/restore"))
    assert (response.status_code, "kept for 30 days" in response.text) == (409, True)


def test_every_outcome_has_a_word_and_a_meaning() -> None:
    assert set(words.OUTCOMES) == set(words.MEANINGS) == {*Outcome, "waiting", "unknown"}


def test_a_deletion_that_was_asked_for_is_shown(pages: httpx.Client, world: World) -> None:
    _, report = ingest(world, "a.wav", wavs.valid())
    world.tables.put(REPORTS, [report.becomes(Outcome.DELETING)])
    shown = pages.get(object_path(world, "a.wav"))
    assert shown.status_code == 200
    assert words.OUTCOMES[Outcome.DELETING] in shown.text
    assert words.MEANINGS[Outcome.DELETING] in shown.text
    assert pages.get("/?outcome=deleting").status_code == 200


def test_what_stands_is_processed_again(pages: httpx.Client, world: World) -> None:
    ref, _ = ingest(world, "a.wav", wavs.valid())
    done = pages.post(object_path(world, "a.wav", "/again"))
    assert "on its way through the pipeline again" in pages.get(done.headers["Location"]).text
    (again,) = world.ingest_waiting()
    assert (again.version, again.outcome) == (ref.version, Outcome.INDEXED)
    gone = pages.post(object_path(world, "never.wav", "/again"))
    assert (gone.status_code, "Nothing stands under this name" in gone.text) == (409, True)


def test_an_object_on_its_way_says_so(pages: httpx.Client, world: World) -> None:
    world.put("a.wav", wavs.valid())
    response = pages.get(object_path(world, "a.wav"))
    assert response.status_code == 200
    assert '<span class="badge waiting">Waiting</span>' in response.text
    assert "data-busy" in response.text
    assert "<audio" not in response.text


def test_what_waits_and_what_was_given_up_is_counted(pages: httpx.Client, world: World) -> None:
    world.send(world.put("a.wav", wavs.valid()), world.put("b.wav", wavs.valid()))
    world.system.queues.ingest.dead_letters.send("junk")
    page = pages.get("/").text
    name = world.settings.ingest_queue
    assert f'<th scope="row">{name}</th><td>2</td><td>0</td><td>1</td>' in page
    assert "New files wait until Dagster takes them: ConnectError" in page


# --- uploads --------------------------------------------------------------------------------------


def invite(pages: httpx.Client, name: str, size: int) -> httpx.Response:
    return pages.post("/uploads", json={"name": name, "size": size})


@pytest.mark.parametrize("name", [*ODD_KEYS[:7], "x" * 1020 + ".wav"])
def test_a_link_takes_the_file_under_its_name(pages: httpx.Client, name: str) -> None:
    name = f"{uuid4().hex[:3]}{name}"[:1024]
    content = wavs.valid()
    answer = invite(pages, name, len(content)).json()
    assert answer["key"] == name
    put = httpx.put(answer["url"], content=content)
    assert put.is_success
    etag = put.headers["ETag"].strip('"')
    card = pages.get("/uploads", params={"key": name, "etag": etag})
    assert 'class="card waiting busy"' in card.text
    assert "data-busy" in card.text


def test_an_uploaded_file_has_a_card_with_its_outcome(pages: httpx.Client, world: World) -> None:
    name = f"{uuid4().hex}.wav"
    put = httpx.put(invite(pages, name, 10).json()["url"], content=b"0123456789")
    state = object_state(world.clients.s3, "ingest", name)
    ref = some_ref("ingest", name, version=state.version, etag=state.etag, size=10)
    resources(world.settings.model_copy(update={"sources": Settings().sources})).ingest([ref])
    etag = put.headers["ETag"].strip('"')
    card = pages.get("/uploads", params={"key": name, "etag": etag}).text
    assert 'class="card rejected"' in card
    assert "This is a file of another kind (text); this bucket takes audio" in card


def test_names_lose_what_nobody_sees_in_them(pages: httpx.Client) -> None:
    assert invite(pages, "/a\n\tb\x00\x7f.wav/", 1).json()["key"] == "ab.wav"


@pytest.mark.parametrize(
    ("name", "size", "status"),
    [("", 1, 422), ("\n", 1, 422), ("/", 1, 422), ("x" * 1025, 1, 422), ("a", -1, 422)],
)
def test_an_upload_that_cannot_be_is_refused(
    pages: httpx.Client, name: str, size: int, status: int
) -> None:
    assert invite(pages, name, size).status_code == status


def test_too_large_an_upload_is_refused_with_both_sizes(pages: httpx.Client) -> None:
    response = invite(pages, "a", 3 * 2**30)
    assert response.status_code == 413
    assert response.json() == {"message": "it has 3.2 GB; at most 2.1 GB are taken"}


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["catalogue.css", "catalogue.js", "live.js", "icon.svg"])
def test_files_are_asked_for_again_and_sent_once(pages: httpx.Client, name: str) -> None:
    first = pages.get(f"/static/{name}")
    assert first.status_code == 200
    again = pages.get(f"/static/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "found", "wanted", "sentence"),
    [
        ("sample_rate", 44100, 48000, "Sample rate is 44.1 kHz; this bucket takes 48 kHz."),
        (
            "sample_rate",
            8000,
            "44100 or 48000",
            "Sample rate is 8 kHz; this bucket takes 44.1 or 48 kHz.",
        ),
        ("bits_per_sample", 16, 24, "It has 16 bits per sample; this bucket takes 24."),
        ("bits_per_sample", "none", 24, "It has no bits per sample; this bucket takes 24."),
        (
            "duration_seconds",
            "14401.5",
            "at most 14400",
            "Length is 4:00:02; this bucket takes at most 4:00:00.",
        ),
        ("kind", "image (png)", "audio", "This is an image file (png); this bucket takes audio."),
        ("kind", "video", "image", "This is a video file; this bucket takes image."),
        ("size", 0, "at least 1 byte", "The file is empty."),
        ("size", 10**9, "at most 100000000", "It has 1.0 GB; this bucket takes at most 100 MB."),
        (
            "has_video",
            "false",
            "true",
            "There is no moving picture in it; this bucket takes videos.",
        ),
        ("new_rule", "x", "y", "New rule: found x, wanted y."),
        (
            "integrated_loudness",
            "-11.5",
            "-24 to -22",
            "Loudness is -11.5 LUFS; this bucket takes -24 to -22 LUFS.",
        ),
        (
            "true_peak",
            "none",
            "at most -1",
            "True peak is none; this bucket takes at most -1 dBTP.",
        ),
    ],
)
def test_reasons_are_sentences(
    rule: str, found: int | str, wanted: int | str, sentence: str
) -> None:
    assert words.sentence(Reason(rule=rule, found=found, wanted=wanted)) == sentence


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_499, "999 kB"),
        (999_600, "1.0 MB"),
        (17_000_000, "17.0 MB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes_are_short(size: int, text: str) -> None:
    assert words.size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.96, "10.0 s"), (65, "1:05"), (3600, "1:00:00")]
)
def test_lengths_are_short(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text
