import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_pipeline.aws.events import (
    ParsedBody,
    delete_order_body,
    ingest_body,
    parse_delete_order,
    parse_ingest_body,
)
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline.values import FIRST_DAY

TIME = "2026-03-01T12:00:00.000Z"
ARRIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUCKET = "ingest"

# S3 refuses other keys: they are 1 to 1,024 bytes of UTF-8.
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=256)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def record(
    key: object = "a.wav", *, name: str = "ObjectCreated:Put", **found: object
) -> dict[str, Any]:
    return {
        "eventName": name,
        "eventTime": TIME,
        "s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 10} | found},
    }


def notification(*records: object) -> str:
    return json.dumps({"Records": list(records)})


def in_sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "1", "Message": body})


def bridged(key: object = "a.wav", *, kind: str = "Object Created", **found: object) -> str:
    detail = {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 10} | found}
    return json.dumps({"version": "0", "detail-type": kind, "time": TIME, "detail": detail})


def only_object(parsed: ParsedBody) -> ObjectRef:
    assert parsed.problems == ()
    (ref,) = parsed.objects
    return ref


def only_problem(parsed: ParsedBody) -> str:
    assert parsed.objects == ()
    (problem,) = parsed.problems
    return problem


def order(body: object) -> ParsedBody:
    return parse_delete_order(body if isinstance(body, str) else json.dumps(body))


def test_a_notification_tells_all_that_s3_knows_of_the_object() -> None:
    body = notification(record(eTag="e1", versionId="v1", sequencer="0055AED6DCD90281E5"))
    assert only_object(parse_ingest_body(body)) == ObjectRef(
        bucket=BUCKET,
        key="a.wav",
        version="v1",
        etag="e1",
        size=10,
        sequencer="0055AED6DCD90281E5",
        arrived=ARRIVED,
    )


def test_every_record_of_a_notification_is_an_object() -> None:
    parsed = parse_ingest_body(notification(*(record(f"{n}.wav") for n in range(3))))
    assert [ref.key for ref in parsed.objects] == ["0.wav", "1.wav", "2.wav"]
    assert parsed.problems == ()


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("my+file%2B1.wav", "my file+1.wav"),
        ("dir/nested.wav", "dir/nested.wav"),
        ("new%0Aline.wav", "new\nline.wav"),
        ("%C3%9Cbung/%E6%97%A5%E6%9C%AC.wav", "Übung/日本.wav"),
        ("100%25.wav", "100%.wav"),
        ("Übung.wav", "Übung.wav"),
        ("UPPER.WAV", "UPPER.WAV"),
    ],
)
def test_keys_of_notifications_are_decoded(encoded: str, key: str) -> None:
    assert only_object(parse_ingest_body(notification(record(encoded)))).key == key


@pytest.mark.parametrize("key", ["my+file%2B1.wav", "my file.wav", "100%.wav", "new\nline.wav"])
def test_keys_of_eventbridge_are_taken_as_they_are(key: str) -> None:
    assert only_object(parse_ingest_body(bridged(key))).key == key


def test_eventbridge_tells_the_same_as_a_notification() -> None:
    told = {"sequencer": "00A1"}
    from_bridge = bridged(**{"version-id": "v1", "etag": "e1"}, **told)
    from_s3 = notification(record(versionId="v1", eTag="e1", **told))
    assert parse_ingest_body(from_bridge) == parse_ingest_body(from_s3)


@pytest.mark.parametrize("body", [notification(record()), bridged()])
def test_an_envelope_of_sns_changes_nothing(body: str) -> None:
    assert parse_ingest_body(in_sns(body)) == parse_ingest_body(body)
    assert parse_ingest_body(in_sns(in_sns(body))) == parse_ingest_body(body)


def test_envelopes_are_not_opened_for_ever() -> None:
    body = notification(record())
    for _ in range(8):
        body = in_sns(body)
    assert "no S3 event" in only_problem(parse_ingest_body(body))


@pytest.mark.parametrize("envelope", [str, in_sns])
def test_the_test_event_of_s3_names_nothing_and_is_no_problem(
    envelope: Callable[[str], str],
) -> None:
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET})
    assert parse_ingest_body(envelope(body)) == ParsedBody()


@pytest.mark.parametrize(
    "name",
    [
        "ObjectCreated:Put",
        "ObjectCreated:CompleteMultipartUpload",
        "s3:ObjectCreated:Copy",
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRestore:Completed",
        "LifecycleExpiration:Delete",
    ],
)
def test_events_about_content_have_the_object_looked_at(name: str) -> None:
    assert only_object(parse_ingest_body(notification(record(name=name)))).key == "a.wav"


@pytest.mark.parametrize(
    "name", ["ObjectTagging:Put", "ObjectTagging:Delete", "ObjectAcl:Put", "Replication:OperationX"]
)
def test_other_events_are_passed_over(name: str) -> None:
    assert parse_ingest_body(notification(record(name=name))) == ParsedBody()


@pytest.mark.parametrize(
    ("kind", "is_taken"),
    [
        ("Object Created", True),
        ("Object Deleted", True),
        ("Object Restore Completed", True),
        ("Object Tags Added", False),
        ("Object ACL Updated", False),
    ],
)
def test_eventbridge_is_taken_at_events_about_content_only(kind: str, *, is_taken: bool) -> None:
    parsed = parse_ingest_body(bridged(kind=kind))
    assert (len(parsed.objects), parsed.problems) == (int(is_taken), ())


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "Expecting value"),
        ("no JSON", "Expecting value"),
        ("[1, 2]", "a JSON object is wanted, found list"),
        ("7", "a JSON object is wanted, found int"),
        ("null", "a JSON object is wanted, found NoneType"),
        ("[" * 100_000, "recursion"),
        ('{"a":' * 100_000, "recursion"),
        ("9" * 10_000, "digits"),
        ("{}", "no S3 event"),
        ('{"Records": 7}', "no S3 event"),
        ('{"Records": []}', "Records is empty"),
        ('{"Records": [7]}', "record 1"),
        ('{"detail-type": "Object Created"}', "EventBridge event: detail"),
        ('{"Type": "Notification"}', "Expecting value"),
    ],
)
def test_junk_is_a_problem_that_says_what_it_is(body: str, problem: str) -> None:
    assert problem in only_problem(parse_ingest_body(body))


def test_a_record_without_a_key_is_a_problem_that_names_the_field() -> None:
    keyless = record()
    del keyless["s3"]["object"]["key"]
    assert "s3.object.key" in only_problem(parse_ingest_body(notification(keyless)))


@pytest.mark.parametrize(
    "key", ["", None, 7, "%FF.wav", "%C3.wav", "\ud800", "x" * 1025, "ü" * 513]
)
def test_a_key_that_s3_cannot_have_is_a_problem(key: object) -> None:
    assert "s3.object.key" in only_problem(parse_ingest_body(notification(record(key))))


@pytest.mark.parametrize("key", ["", None, 7, "\ud800", "x" * 1025])
def test_a_key_that_s3_cannot_have_is_a_problem_in_eventbridge(key: object) -> None:
    assert "detail.object.key" in only_problem(parse_ingest_body(bridged(key)))


@pytest.mark.parametrize(
    "found",
    [
        *[{"size": -1}, {"size": 10**40}, {"versionId": "v" * 1025}, {"eTag": "e" * 1025}],
        {"sequencer": "A" * 1025},
    ],
)
def test_values_that_no_table_could_hold_are_a_problem(found: dict[str, object]) -> None:
    event = record()
    event["s3"]["object"] |= found
    assert "record 1" in only_problem(parse_ingest_body(notification(event)))


def test_a_bad_record_does_not_take_its_good_neighbours_with_it() -> None:
    parsed = parse_ingest_body(notification(record("1.wav"), record("%FF"), record("3.wav")))
    assert [ref.key for ref in parsed.objects] == ["1.wav", "3.wav"]
    (problem,) = parsed.problems
    assert problem.startswith("record 2: ")


@pytest.mark.parametrize("version", [None, "", "null"])
def test_an_unversioned_object_has_no_version(version: str | None) -> None:
    assert only_object(parse_ingest_body(notification(record(versionId=version)))).version is None


def test_etags_lose_their_quotes() -> None:
    assert only_object(parse_ingest_body(notification(record(eTag='"e1"')))).etag == "e1"


@pytest.mark.parametrize("time", [None, "2999-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
def test_an_event_that_tells_no_possible_time_arrived_now(time: str | None) -> None:
    before = datetime.now(UTC)
    ref = only_object(parse_ingest_body(notification(record() | {"eventTime": time})))
    assert before <= ref.arrived <= datetime.now(UTC)


def test_an_event_without_a_time_arrived_now() -> None:
    timeless = record()
    del timeless["eventTime"]
    before = datetime.now(UTC)
    assert before <= only_object(parse_ingest_body(notification(timeless))).arrived


@pytest.mark.parametrize(
    "time", ["2006-03-14T00:00:00Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_an_event_from_before_the_first_day_counts_as_its(time: str) -> None:
    ref = only_object(parse_ingest_body(notification(record() | {"eventTime": time})))
    assert (ref.arrived, ref.day) == (FIRST_DAY, "2015-01-01")


def test_a_time_without_a_zone_is_a_problem() -> None:
    timed = record() | {"eventTime": "2026-03-01T12:00:00"}
    assert "eventTime" in only_problem(parse_ingest_body(notification(timed)))


@given(KEYS, st.none() | st.text("0123456789abcdef", min_size=1), st.none() | st.integers(0, 2**45))
def test_what_we_put_on_the_queue_ourselves_comes_back_equal(
    key: str, token: str | None, size: int | None
) -> None:
    ref = ObjectRef(
        bucket=BUCKET,
        key=key,
        version=token,
        etag=token,
        size=size,
        sequencer=token,
        arrived=ARRIVED + timedelta(milliseconds=7),
    )
    assert only_object(parse_ingest_body(ingest_body(ref))) == ref


@given(KEYS)
def test_eventbridge_names_any_key(key: str) -> None:
    assert only_object(parse_ingest_body(bridged(key))).key == key


@given(KEYS)
def test_an_order_names_any_key(key: str) -> None:
    ref = only_object(parse_delete_order(delete_order_body(BUCKET, key)))
    assert (ref.bucket, ref.key) == (BUCKET, key)


def test_an_older_clients_order_is_the_flat_asset() -> None:
    ref = only_object(order({"bucket": BUCKET, "file": "dir/a.wav", "sample_rate": 48000}))
    assert (ref.bucket, ref.key) == (BUCKET, "dir/a.wav")


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "[" * 100_000,
        "[]",
        "null",
        {},
        {"file": {}},
        {"file": {"bucket": BUCKET}},
        {"file": {"bucket": BUCKET, "key": ""}},
        {"file": {"bucket": BUCKET, "key": None}},
        {"file": {"bucket": "", "key": "a.wav"}},
        {"file": {"bucket": BUCKET, "key": "x" * 1025}},
        {"file": "a.wav"},
        {"file": "", "bucket": BUCKET},
        {"file": 7, "bucket": BUCKET},
        {"bucket": BUCKET, "key": "a.wav"},
    ],
)
def test_a_malformed_order_is_a_problem(body: object) -> None:
    assert only_problem(order(body)).startswith("no delete order: ")


@given(JSON.map(json.dumps) | st.text())
def test_no_body_raises(body: str) -> None:
    for parsed in (parse_ingest_body(body), parse_ingest_body(in_sns(body)), order(body)):
        assert all(isinstance(problem, str) for problem in parsed.problems)


@given(st.dictionaries(st.sampled_from(["eventName", "eventTime", "s3", "x"]), JSON), JSON, JSON)
def test_no_event_raises_whatever_its_fields_hold(
    fields: dict[str, object], found: object, time: object
) -> None:
    s3 = {"bucket": {"name": BUCKET}, "object": found}
    likely = [
        notification(fields, record() | {"eventTime": time}, record() | {"s3": s3}),
        notification(record(found, size=found, eTag=found, versionId=time)),
        bridged(found, etag=time),
        json.dumps({"detail-type": "Object Created", "time": time, "detail": s3}),
    ]
    for body in likely:
        for ref in parse_ingest_body(body).objects:
            assert ref.day
