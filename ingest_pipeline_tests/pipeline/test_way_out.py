"""The way out, whole: what is deleted or replaced stays so, with all that was made of it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from ingest_pipeline.pipeline.result import Done, RetryLater
from ingest_pipeline.records.model import ObjectRef, Outcome
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.api.serving import serving
from ingest_pipeline_tests.audit import Put
from ingest_pipeline_tests.children import own_children
from ingest_pipeline_tests.media.clips import AAC, H264, make_clip
from ingest_pipeline_tests.media.pictures import encoded, photo
from ingest_pipeline_tests.whole_world import Made, WholeWorld
from ingest_pipeline_tests.world import bodies

IMAGE = encoded(photo((64, 48)), "PNG")


@pytest.fixture
def contents(clip: Made) -> dict[str, bytes]:
    return {"audio": wavs.valid(), "image": IMAGE, "video": clip.rendition}


@contextmanager
def before(
    world: WholeWorld, service: str, call: str, deed: Callable[[], object]
) -> Iterator[None]:
    """Do something just before the first call of a name."""
    client = getattr(world.wired.aws.clients, service)
    done: list[bool] = []

    def once(**_: Any) -> None:
        if not done:
            done.append(True)
            deed()

    event = f"before-call.{client.meta.service_model.service_id.hyphenize()}.{call}"
    client.meta.events.register(event, once)
    try:
        yield
    finally:
        client.meta.events.unregister(event, once)
    assert done


KINDS = pytest.mark.parametrize("kind", ["audio", "image", "video"])


def test_an_audit_finds_whatever_is_wrong(whole: WholeWorld, clip: Made) -> None:
    ref = whole.arrive("a.mp4", clip.rendition)
    put = Put(ref, Outcome.INDEXED)
    assert whole.audit(put) == []
    assert len(whole.audit()) > 3
    key = whole.files()[0]
    whole.clients.s3.delete_object(Bucket=whole.renditions, Key=key)
    assert [key in line for line in whole.audit(put)] == [True]
    whole.clients.s3.put_object(Bucket=whole.renditions, Key=f"{key}.jpg")
    assert len(whole.audit(put)) == 2
    whole.send(ref)
    assert len(whole.audit(put)) == 3
    bodies(whole.system.queues.ingest.queue)
    whole.remove("a.mp4")
    told = whole.audit(put)
    assert any("was taken away" in line for line in told)
    told = whole.audit(Put(ref, Outcome.DELETED))
    assert any("is told indexed, wanted deleted" in line for line in told)
    assert any("in the index, and nothing is to be" in line for line in told)
    assert any("a rendition of" in line and "left over" in line for line in told)
    assert any("a preview of" in line and "left over" in line for line in told)
    whole.clients.s3.delete_object(Bucket=whole.bucket, Key="a.mp4", VersionId=str(ref.version))
    assert any("lost for good" in line for line in whole.audit(put))


def test_reconciliation_brings_no_deleted_video_back(whole: WholeWorld, clip: Made) -> None:
    older = whole.put("a.mp4", clip.rendition)
    whole.wired.ingest([older])
    newer = whole.put("a.mp4", clip.rendition + bytes(8))
    whole.wired.ingest([newer])
    whole.order(newer)
    whole.settle()
    puts = [Put(older, Outcome.SUPERSEDED), Put(newer, Outcome.DELETED)]
    assert whole.audit(*puts) == []
    for _ in range(2):
        done, found = whole.reconcile()
        assert (found, done.requested) == ([], 0)
    assert whole.audit(*puts) == []


def test_ffmpeg_stops_when_its_video_is_deleted(whole: WholeWorld, tmp_path: Path) -> None:
    film = make_clip(
        tmp_path / "film.mp4", *H264, *AAC, size="1920x1080", rate="60", seconds=20
    ).read_bytes()
    ref = whole.put("film.mp4", film)
    whole.wired.ingest([ref])
    bodies(whole.system.queues.rendition.queue)
    said: list[str] = []
    deleted_at: list[float] = []

    def delete() -> None:
        while not any("Web:" in line for line in said):
            assert threading.main_thread().is_alive()
            threading.Event().wait(0.05)
        deleted_at.append(monotonic())
        whole.delete(ref)

    deleting = threading.Thread(target=delete)
    deleting.start()
    result = whole.wired.transcoder.transcoder().transcode(ref, said.append)
    deleting.join()
    assert monotonic() - deleted_at[0] < 8
    assert result == Done(ref)
    assert "100 %" not in "".join(said)
    assert not [child for child in own_children() if "ffmpeg" in child.name()]
    assert whole.audit(Put(ref, Outcome.DELETED)) == []


@KINDS
def test_deleted_while_something_is_made_of_it(
    whole: WholeWorld, contents: dict[str, bytes], kind: str
) -> None:
    ref = whole.put("a", contents[kind])
    whole.wired.ingest([ref])
    with before(whole, "s3", "PutObject", lambda: whole.delete(ref)):
        whole.settle()
    assert whole.audit(Put(ref, Outcome.DELETED)) == []


def test_deleted_while_it_is_labelled(whole: WholeWorld) -> None:
    ref = whole.put("a", IMAGE)
    whole.wired.ingest([ref])
    labelling = whole.wired.labeler.labelling()
    with before(whole, "rekognition", "DetectLabels", lambda: whole.delete(ref)):
        labelling.label([ref])
    whole.settle()
    assert whole.audit(Put(ref, Outcome.DELETED)) == []


def test_deleted_while_its_job_is_asked_for(served: WholeWorld, clip: Made) -> None:
    ref = served.put("a", clip.rendition)
    served.wired.ingest([ref])
    with before(served, "mediaconvert", "CreateJob", lambda: served.delete(ref)):
        served.settle()
    assert served.audit(Put(ref, Outcome.DELETED)) == []


def test_deleted_while_a_service_is_at_work_on_it(served: WholeWorld, clip: Made) -> None:
    ref = served.put("a", clip.rendition)
    served.wired.ingest([ref])
    served.make(ref)
    served.service_works()
    served.order(ref)
    served.settle()
    assert served.audit(Put(ref, Outcome.DELETED)) == []


def test_deleted_while_its_transcoding_fails(whole: WholeWorld, tmp_path: Path) -> None:
    silent = make_clip(tmp_path / "a.mp4", *H264, *AAC, size="160x120").read_bytes()
    ref = whole.put("k" * 1020, silent)  # no rendition has room for its key
    whole.wired.ingest([ref])
    with before(whole, "dynamodb", "TransactWriteItems", lambda: whole.delete(ref)):
        whole.wired.transcoder.transcoder().transcode(ref, print)
    whole.settle()
    assert whole.audit(Put(ref, Outcome.DELETED)) == []


@KINDS
def test_deleted_at_its_source(whole: WholeWorld, contents: dict[str, bytes], kind: str) -> None:
    ref = whole.arrive("a", contents[kind])
    whole.remove("a")
    whole.reconcile()
    assert whole.audit(Put(ref, Outcome.DELETED)) == []


@KINDS
@pytest.mark.parametrize("by", ["invalid", "unknown", "audio", "image"])
def test_replaced_by_something_invalid_or_of_another_kind(
    whole: WholeWorld, contents: dict[str, bytes], kind: str, by: str
) -> None:
    newer_content, outcome = {
        "invalid": (wavs.wrong_rate(), Outcome.REJECTED),
        "unknown": (wavs.JPEG_XL, Outcome.KEPT),
        "audio": (wavs.valid(960), Outcome.INDEXED),
        "image": (encoded(photo((48, 64)), "PNG"), Outcome.INDEXED),
    }[by]
    older = whole.put("a", contents[kind])
    whole.wired.ingest([older])
    whole.make_up(older)
    newer = whole.arrive("a", newer_content)
    puts = [Put(older, Outcome.SUPERSEDED), Put(newer, outcome)]
    assert whole.audit(*puts) == []


def test_overwritten_while_it_is_transcoded(whole: WholeWorld, clip: Made) -> None:
    older = whole.put("a.mp4", clip.rendition)
    whole.wired.ingest([older])
    newer: list[ObjectRef] = []

    def overwrite() -> None:
        newer.append(whole.put("a.mp4", clip.rendition + bytes(8)))
        whole.wired.ingest(newer)

    with before(whole, "s3", "PutObject", overwrite):
        whole.settle()
    assert whole.audit(Put(older, Outcome.SUPERSEDED), Put(newer[0], Outcome.INDEXED)) == []


@pytest.mark.parametrize("step", ["probed", "indexed"])
def test_a_request_between_probe_and_last_word(whole: WholeWorld, step: str) -> None:
    ref = whole.put("a", wavs.valid())
    table = {"probed": "probe_reports", "indexed": "assets"}[step]
    calls: list[str] = []

    def delete(params: dict[str, Any], **_: Any) -> None:
        text = str(params["body"])
        if table in text and not calls:
            calls.append(text)
            whole.delete(ref)

    events = whole.wired.aws.clients.dynamodb.meta.events
    event = {"probed": "BatchWriteItem", "indexed": "TransactWriteItems"}[step]
    events.register(f"after-call.dynamodb.{event}", lambda **_: None)
    events.register(f"before-call.dynamodb.{event}", delete)
    try:
        whole.send(ref)
        whole.settle()
    finally:
        events.unregister(f"before-call.dynamodb.{event}", delete)
    assert calls
    whole.reconcile()
    assert whole.audit(Put(ref, Outcome.DELETED)) == []
    whole.system.restorer().restore(whole.bucket, "a")
    whole.settle()
    assert whole.audit(Put(ref, Outcome.INDEXED)) == []


def test_a_pending_request_is_neither_forgotten_nor_undone(whole: WholeWorld) -> None:
    ref = whole.arrive("a", wavs.valid())
    whole.order(ref)
    assert len(bodies(whole.system.queues.delete.queue)) == 1  # and lost
    whole.send(ref)  # a late event
    whole.settle()
    assert whole.report(ref).outcome is Outcome.DELETING
    done, (found,) = whole.reconcile()
    assert (done.sent, found.problem) == (1, "its deletion was asked for and not carried out")
    assert whole.audit(Put(ref, Outcome.DELETED)) == []


def test_each_request_of_a_batch_has_its_own_fate(whole: WholeWorld) -> None:
    refs = [whole.put(key, wavs.valid()) for key in ("a", "new\nline", "..", "k" * 1024, "last")]
    whole.wired.ingest(refs)
    whole.settle()
    odd = refs[0].model_copy(update={"key": "c\x01trl", "version": "v1"})
    later = whole.put("last", wavs.valid(960))  # not what the request means
    whole.wired.ingest([later])
    whole.settle()

    def refuse(params: dict[str, Any], **_: Any) -> None:
        if params["Key"] == "..":
            raise OSError("the connection is gone")

    events = whole.wired.aws.s3.meta.events
    events.register("provide-client-params.s3.DeleteObject", refuse)
    try:
        results = whole.wired.deleter.deleter().delete([odd, *refs])
    finally:
        events.unregister("provide-client-params.s3.DeleteObject", refuse)
    assert [type(result) for result in results[1:]] == [Done, Done, RetryLater, Done, Done]
    whole.delete(*refs)
    wanted = [Put(ref, Outcome.DELETED) for ref in refs[:-1]]
    assert (
        whole.audit(*wanted, Put(refs[-1], Outcome.SUPERSEDED), Put(later, Outcome.INDEXED)) == []
    )


def test_of_six_clients_that_delete_at_once_one_is_told_so(whole: WholeWorld) -> None:
    ref = whole.arrive("a.wav", wavs.valid())
    with serving(whole.system) as client, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.delete("/asset/a.wav").status_code, range(6)))
    assert sorted(answers) == [200, 404, 404, 404, 404, 404]
    assert whole.system.queues.delete.queue.depth().waiting == 1
    whole.settle()
    assert whole.audit(Put(ref, Outcome.DELETED)) == []


def test_deleted_and_uploaded_at_once(whole: WholeWorld) -> None:
    older = whole.arrive("a.wav", wavs.valid())
    with serving(whole.system) as client:
        assert client.delete("/asset/a.wav").status_code == 200
    newer = whole.put("a.wav", wavs.valid(960))
    whole.send(newer)
    whole.settle()
    outcome = whole.report(older).outcome
    assert outcome in {Outcome.SUPERSEDED, Outcome.DELETED}
    assert whole.audit(Put(older, outcome), Put(newer, Outcome.INDEXED)) == []


@KINDS
def test_everything_comes_again_when_it_is_restored(
    whole: WholeWorld, contents: dict[str, bytes], kind: str
) -> None:
    ref = whole.arrive("a", contents[kind])
    whole.delete(ref)
    assert whole.audit(Put(ref, Outcome.DELETED)) == []
    whole.system.restorer().restore(whole.bucket, "a")
    whole.settle()
    assert whole.audit(Put(ref, Outcome.INDEXED)) == []


def test_what_is_told_rejected_is_no_longer_in_the_index(whole: WholeWorld) -> None:
    older = whole.arrive("a", wavs.valid())
    newer = whole.put("a", wavs.wrong_rate())

    def look() -> None:
        assert not whole.is_indexed("a")

    with before(whole, "s3", "DeleteObject", look):
        whole.wired.ingest([newer])
    whole.settle()
    assert whole.audit(Put(older, Outcome.SUPERSEDED), Put(newer, Outcome.REJECTED)) == []
