import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from ingest_pipeline.media.audio.waveform import WaveformDrawer
from ingest_pipeline.media.model import Kind, Reason
from ingest_pipeline.pipeline.enrich import preview as preview_module
from ingest_pipeline.pipeline.ingest.index import index
from ingest_pipeline.pipeline.result import Done, Result, retries, values
from ingest_pipeline.records.model import (
    ObjectRef,
    Outcome,
    Preview,
    Rendition,
)
from ingest_pipeline.records.places import picture_place
from ingest_pipeline.records.tables import (
    ASSETS,
    DAYS,
    PREVIEWS,
    PREVIEWS_BY_OBJECT,
    RENDITIONS,
    REPORTS,
    report_key,
)
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.media.clips import big_buck_bunny
from ingest_pipeline_tests.media.pictures import encoded, photo
from ingest_pipeline_tests.media.riff import data, fmt, riff
from ingest_pipeline_tests.world import World, bodies, some_ref


def preview(world: World, *refs: ObjectRef) -> list[Result[Preview]]:
    return world.wired.previewer.previewer("run 1").preview(refs)


def failed(results: list[Result[Preview]]) -> list[str]:
    return [each.reason for each in retries(results)]


def put(world: World, key: str, content: bytes) -> ObjectRef:
    ref = world.put(key, content)
    (report,) = world.ingest([ref])
    assert report.outcome is Outcome.INDEXED, report.reasons
    return ref


def row(world: World, ref: ObjectRef) -> Preview:
    found = world.tables.get(PREVIEWS, report_key(ref.uri, ref.row_version))
    assert found is not None
    return found


def picture(world: World, key: str | None) -> Image.Image:
    assert key
    stored = world.clients.s3.get_object(Bucket=world.settings.rendition_bucket, Key=key)
    assert stored["ContentType"] == "image/webp"
    image = Image.open(io.BytesIO(stored["Body"].read()))
    assert image.format == "WEBP"
    return image


def pictures(world: World) -> list[str]:
    """The keys of all pictures of a world's objects that stand."""
    listed = [
        world.clients.s3.list_objects_v2(
            Bucket=world.settings.rendition_bucket, Prefix=f"{folder}/{world.bucket}/"
        )
        for folder in ("previews", "strips")
    ]
    return [entry["Key"] for each in listed for entry in each.get("Contents", [])]


def rendered(world: World, ref: ObjectRef, *, video: bytes | None = None) -> Rendition:
    """Put the rendition of a video there, as its run would; a picture is its poster."""
    bucket = world.settings.rendition_bucket
    rendition = Rendition(
        bucket=ref.bucket,
        key=ref.key,
        version=ref.row_version,
        preset="Web",
        day=ref.day,
        rendition_bucket=bucket,
        rendition_key=f"output/web/{world.bucket}/{ref.key}",
        content_type="video/mp4",
        poster_key=f"posters/web/{world.bucket}/{ref.key}.jpg",
        size=1,
        duration_seconds=5.3,
        width=1280,
        height=720,
        bit_rate=1,
        engine="test",
        seconds_taken=1,
        made_at=datetime.now(UTC),
    )
    poster = encoded(photo((1280, 720)), "JPEG")
    content = big_buck_bunny().read_bytes() if video is None else video
    put_object = world.clients.s3.put_object
    put_object(Bucket=bucket, Key=rendition.rendition_key, Body=content)
    put_object(Bucket=bucket, Key=str(rendition.poster_key), Body=poster)
    world.tables.put(RENDITIONS, [rendition])
    return rendition


@pytest.fixture(scope="module")
def film() -> bytes:
    return big_buck_bunny().read_bytes()


def test_each_kind_has_its_picture(world: World, film: bytes) -> None:
    sound = put(world, "dir/Übung 1+1.wav", wavs.valid(48_000))
    image = put(world, "photo", encoded(photo((640, 480)), "JPEG"))
    video = put(world, "film.mp4", film)
    rendered(world, video)
    found = preview(world, sound, image, video)
    assert failed(found) == []
    assert sorted(each.kind for each in values(found)) == [Kind.AUDIO, Kind.IMAGE, Kind.VIDEO]
    sizes = {sound: (960, 160), image: (320, 240), video: (480, 270)}
    for ref, size in sizes.items():
        made = row(world, ref)
        assert (made.width, made.height) == picture(world, made.preview_key).size == size
        assert (made.day, made.run_id, made.reason) == (ref.day, "run 1", None)
        assert made.size
        assert made.size < 40_000
    assert picture(world, row(world, video).strip_key).size == (1280, 90)
    assert row(world, sound).strip_key is None
    assert row(world, sound).preview_key == f"previews/{world.bucket}/dir/Übung 1+1.wav.webp"


def test_a_second_run_makes_nothing(world: World) -> None:
    ref = put(world, "a.wav", wavs.valid())
    first = values(preview(world, ref))
    assert preview(world, ref) == [Done(ref)]
    assert first == [row(world, ref)]


def test_what_is_not_indexed_has_no_preview(world: World) -> None:
    rejected = world.put("keep/wrong.wav", wavs.wrong_rate())
    world.ingest([rejected])
    unknown = some_ref(world.bucket, "never.wav", version="v1")
    assert preview(world, rejected, unknown) == [Done(rejected), Done(unknown)]


def test_a_newer_version_takes_the_place_and_a_late_older_one_does_not(world: World) -> None:
    older = put(world, "a", wavs.valid())
    newer = put(world, "a", encoded(photo(), "PNG"))
    assert failed(preview(world, newer)) == []
    assert failed(preview(world, older)) == []
    assert picture(world, f"previews/{world.bucket}/a.webp").size == (320, 240)
    assert row(world, newer).preview_key
    assert list(world.tables.query(PREVIEWS, PREVIEWS_BY_OBJECT, older.uri)) == [row(world, newer)]


def test_a_file_that_cannot_be_drawn_has_a_reason_and_loses_no_neighbour(world: World) -> None:
    # A report that says audio of what libsndfile cannot open.
    bad = world.put("bad.wav", b"no audio any more")
    good = put(world, "good.wav", wavs.valid())
    (report,) = world.ingest([world.put("model.wav", wavs.valid(96))])
    broken = report.model_copy(
        update={"key": bad.key, "version": bad.row_version, "etag": bad.etag, "size": bad.size}
    )
    world.tables.put(REPORTS, [broken])
    world.tables.put(ASSETS, values(index([broken.becomes(Outcome.PENDING)])))
    found = preview(world, bad, good)
    assert (len(values(found)), failed(found)) == (2, [])
    reason = row(world, bad).reason
    assert reason is not None
    assert reason.rule == "previewable"
    assert "LibsndfileError" in str(reason.found)
    assert row(world, good).preview_key
    assert preview(world, bad, good) == [Done(bad), Done(good)]


def test_what_fails_in_passing_is_told_and_made_the_next_time(world: World) -> None:
    refs = [put(world, f"{n}.wav", wavs.valid()) for n in range(3)]
    image = put(world, "photo.png", encoded(photo(), "PNG"))
    previewer = preview_module.Previewer(
        world.clients.s3,
        world.tables,
        world.wired.derived.derived,
        _drawer=WaveformDrawer(Path("/no/such/program")),
    )
    found = previewer.preview([*refs, image])
    assert [each.key for each in values(found)] == ["photo.png"]
    assert len(failed(found)) == 3
    assert all("the drawer ended with" in words for words in failed(found))
    assert len(values(preview(world, *refs, image))) == 3


def test_a_version_that_is_gone_has_a_reason(world: World) -> None:
    ref = put(world, "a.wav", wavs.valid())
    assert ref.version
    world.clients.s3.delete_object(Bucket=ref.bucket, Key=ref.key, VersionId=ref.version)
    assert failed(preview(world, ref)) == []
    assert str(row(world, ref).reason) == "present the version is gone, wanted an object"


def test_a_video_waits_for_its_rendition(world: World, film: bytes) -> None:
    ref = put(world, "film.mp4", film)
    report = world.report(ref)
    assert world.wired.previewer.previewer().missing([report]) == []
    assert preview(world, ref) == [Done(ref)]
    rendered(world, ref)
    assert [each.key for each in world.wired.previewer.previewer().missing([report])] == [
        "film.mp4"
    ]
    assert len(values(preview(world, ref))) == 1
    assert world.wired.previewer.previewer().missing([report]) == []


def test_a_video_that_cannot_be_transcoded_says_so_until_it_can(world: World, film: bytes) -> None:
    ref = put(world, "film.mp4", film)
    untranscoded = Reason(rule="transcodable", found="no", wanted="a rendition")
    failed = world.report(ref).becomes(Outcome.INDEXED, reasons=(untranscoded,))
    world.tables.put(REPORTS, [failed])
    preview(world, ref)
    assert (row(world, ref).reason, row(world, ref).preview_key) == (untranscoded, None)
    assert preview(world, ref) == [Done(ref)]
    rendered(world, ref)
    preview(world, ref)
    assert (row(world, ref).reason, bool(row(world, ref).strip_key)) == (None, True)


def test_a_video_whose_frames_cannot_be_taken_keeps_its_poster(world: World, film: bytes) -> None:
    ref = put(world, "film.mp4", film)
    rendered(world, ref, video=b"no film")
    assert failed(preview(world, ref)) == []
    made = row(world, ref)
    assert picture(world, made.preview_key).size == (480, 270)
    assert made.strip_key is None
    assert made.reason is not None
    assert made.reason.rule == "previewable"


def test_the_longest_key_has_a_preview(world: World) -> None:
    # 1,024 bytes in parts that the embedded AWS can keep as names of files.
    parts = ["ü" * 100, "b" * 200, "c" * 200, "d" * 200]
    start = "/".join(parts)
    key = f"{start}/{'e' * (1024 - len(start.encode()) - 1)}"
    assert len(key.encode()) == 1024
    ref = put(world, key, wavs.valid())
    assert failed(preview(world, ref)) == []
    assert picture(world, row(world, ref).preview_key).size == (960, 160)


@pytest.mark.parametrize("unit", ["a", "ü", "🎵"])
def test_keys_of_pictures_are_short_enough_and_differ(unit: str) -> None:
    whole = unit * (1000 // len(unit.encode()))
    keys = [picture_place("previews", "a-bucket", whole + end) for end in ("x", "y", "/z", "")]
    assert len(set(keys)) == 4
    for key in keys:
        assert len(key.encode()) <= 1024
        assert key.startswith(f"previews/a-bucket/{unit}")
        assert key.endswith(".webp")
    assert picture_place("strips", "b", "a/b.mp4") == "strips/b/a/b.mp4.webp"


def delete(world: World, refs: Sequence[ObjectRef]) -> None:
    orders = [some_ref(ref.bucket, ref.key, arrived=datetime.now(UTC)) for ref in refs]
    assert len(values(world.wired.deleter.deleter().delete(orders))) == len(refs)


def test_previews_go_with_their_objects(world: World, film: bytes) -> None:
    sound, video = put(world, "a.wav", wavs.valid()), put(world, "film.mp4", film)
    kept = put(world, "b.wav", wavs.valid())
    rendered(world, video)
    preview(world, sound, video, kept)
    assert len(pictures(world)) == 4
    delete(world, [sound, video])
    assert pictures(world) == [f"previews/{world.bucket}/b.wav.webp"]
    for ref in (sound, video):
        assert list(world.tables.query(PREVIEWS, PREVIEWS_BY_OBJECT, ref.uri)) == []
    assert row(world, kept)


def test_what_is_indexed_is_ordered_once_its_days_noted(world: World) -> None:
    ref = world.put("a.wav", wavs.valid())
    rejected = world.put("keep/b.wav", wavs.wrong_rate())
    asks = world.wired.requests.requests
    asks.follow_up(world.ingest([ref, rejected]))
    assert world.tables.get(DAYS, {"listing": "all", "day": ref.day})
    (body,) = bodies(world.system.queues.enrichment.queue)
    assert '"a.wav"' in body
    assert [each.ref.uri for each in retries(asks.on_record([ref, rejected]))] == [ref.uri]
    preview(world, ref)
    assert retries(asks.on_record([ref, rejected])) == []
    asks.follow_up([world.report(ref)])
    assert bodies(world.system.queues.enrichment.queue) == []


def test_wide_recordings_have_previews_too(world: World) -> None:
    ref = put(world, "wide.wav", riff(fmt(channels=64), data(500, 192)))
    assert row_made(world, ref).preview_key


def row_made(world: World, ref: ObjectRef) -> Preview:
    (made,) = values(preview(world, ref))
    return made
