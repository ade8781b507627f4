import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from ingest_pipeline.aws import tables as tables_module
from ingest_pipeline.aws.cursors import InvalidCursorError
from ingest_pipeline.aws.items import cursor_behind
from ingest_pipeline.aws.tables import Tables, ThrottledError
from ingest_pipeline.media.model import AudioInfo, Kind, Probe, Reason
from ingest_pipeline.records.model import (
    Asset,
    Outcome,
    ReceiptBatch,
    Report,
    Verdict,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    ASSETS_BY_BUCKET,
    BY_DAY,
    RECEIPTS,
    REJECTIONS,
    REPORTS,
    REPORTS_BY_OBJECT,
    Condition,
    report_key,
)
from ingest_pipeline_tests.world import World, some_ref

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)

METADATA: dict[str, JsonValue] = {
    "text": "Übung",
    "empty text": "",
    "whole": 2**100,
    "negative": -(2**63),
    "real": 0.1,
    "tiny": -1.5e-100,
    "yes": True,
    "nothing": None,
    "empty list": [],
    "empty table": {},
    "deep": {"list": [1, 2.5, "three", None, {"four": [4]}]},
    "": "an empty name",
}


def probe(metadata: dict[str, JsonValue] | None = None) -> Probe:
    return Probe(
        kind=Kind.AUDIO,
        container="wav",
        codec="pcm",
        audio=AudioInfo(
            channel_count=2,
            frame_count=2**40,
            sample_rate=48_000,
            bits_per_sample=24,
            duration="22906492.24",
            block_align=6,
            sample_format="int",
            channel_layout=("front left", "front right"),
            data_bytes=6 * 2**40,
        ),
        metadata=metadata or {},
        warnings=("odd",),
    )


def report(world: World, key: str = "a.wav", version: str = "v1", **fields: object) -> Report:
    found = {
        "bucket": world.bucket,
        "key": key,
        "version": version,
        "day": "2026-03-01",
        "probe": probe(),
        "verdict": Verdict.VALID,
        "outcome": Outcome.INDEXED,
        "judged_at": NOW,
    }
    return Report.model_validate(found | fields)


def unread(world: World, outcome: Outcome, key: str = "a.wav") -> Report:
    return report(world, key, probe=None, verdict=Verdict.UNJUDGED, outcome=outcome)


def asset(world: World, file: str = "a.wav", version: str = "v1", **fields: object) -> Asset:
    found = {
        "bucket": world.bucket,
        "file": file,
        "version": version,
        "day": "2026-03-01",
        "last_modified": NOW,
        "judged_at": NOW,
    }
    return Asset.model_validate(found | fields)


def stored(world: World, row: Report) -> Report | None:
    return world.tables.get(REPORTS, report_key(row.uri, row.version))


@pytest.mark.parametrize("count", [0, 1, 25, 26, 50, 51, 1000])
def test_rows_of_any_number_come_back_equal(world: World, count: int) -> None:
    reports = [report(world, f"{n:04}.wav") for n in range(count)]
    assets = [asset(world, f"{n:04}.wav") for n in range(count)]
    assert world.tables.put(REPORTS, reports) == count
    assert world.tables.put(ASSETS, assets) == count
    keys = [report_key(row.uri, row.version) for row in reports]
    assert sorted(world.tables.get_many(REPORTS, keys), key=lambda row: row.key) == reports
    assert list(world.tables.query(ASSETS, ASSETS_BY_BUCKET, world.bucket)) == assets


def test_values_of_every_kind_come_back_equal_and_of_their_type(world: World) -> None:
    row = report(
        world,
        etag="",
        probe=probe(METADATA),
        reasons=(Reason(rule="sample_rate", found=44_100, wanted="48000 or 96000"),),
        last_modified=NOW.replace(microsecond=0),
        deleted_at=NOW.replace(year=2027),
        size=5 * 2**40,
    )
    world.tables.put(REPORTS, [row])
    found = stored(world, row)
    assert found == row
    assert found is not None
    assert found.model_dump_json() == row.model_dump_json()  # 1 and 1.0 and True are equal


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(10**37), 10**37)
            | st.floats(-(2**53), 2**53).filter(lambda n: n == 0 or abs(n) > 1e-100)
            | st.text(st.characters(codec="utf-8"), max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3
                )
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_any_metadata_comes_back_equal(world: World, metadata: dict[str, JsonValue]) -> None:
    row = report(world, probe=probe(metadata))
    world.tables.put(REPORTS, [row])
    assert stored(world, row) == row


def test_of_rows_with_one_key_in_one_put_the_last_is_written(world: World) -> None:
    rows = [report(world, size=size) for size in range(60)]
    assert world.tables.put(REPORTS, rows) == 1
    assert stored(world, rows[0]) == rows[-1]


def test_keys_asked_for_twice_or_unknown_are_answered_once_or_not(world: World) -> None:
    row = report(world)
    world.tables.put(REPORTS, [row])
    key, unknown = report_key(row.uri, "v1"), report_key(row.uri, "v2")
    assert world.tables.get_many(REPORTS, [key, key, unknown]) == [row]
    assert world.tables.get(REPORTS, unknown) is None


def test_a_deleted_row_is_gone_and_deleting_it_again_is_harmless(world: World) -> None:
    batch = ReceiptBatch(batch=world.bucket, created_at=NOW, receipts=())
    world.tables.put(RECEIPTS, [batch])
    assert world.tables.get(RECEIPTS, {"batch": batch.batch}) == batch
    for _ in range(2):
        world.tables.delete(RECEIPTS, {"batch": batch.batch})
        assert world.tables.get(RECEIPTS, {"batch": batch.batch}) is None


def test_rows_expire_where_their_table_says_so(world: World) -> None:
    receipts = ReceiptBatch(batch=world.bucket, created_at=NOW, receipts=())
    tombstone = asset(world, deleted_at=NOW)
    world.tables.put(RECEIPTS, [receipts])
    world.tables.put(ASSETS, [tombstone, asset(world, "live.wav")])
    table_keys: list[tuple[str, dict[str, Any], timedelta | None]] = [
        ("ingest_receipts", {"batch": world.bucket}, timedelta(days=5)),
        ("assets", {"bucket": world.bucket, "file": "a.wav"}, timedelta(days=90)),
        ("assets", {"bucket": world.bucket, "file": "live.wav"}, None),
    ]
    for table, key, kept in table_keys:
        item = world.clients.dynamodb.get_item(
            TableName=table, Key={name: {"S": value} for name, value in key.items()}
        )["Item"]
        expected = {"N": str(int((NOW + kept).timestamp()))} if kept else None
        assert item.get("expires_at") == expected


# --- which write wins -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outcome", [Outcome.DELETED, Outcome.SUPERSEDED, Outcome.FAILED, Outcome.KEPT]
)
@pytest.mark.parametrize("known", [Outcome.INDEXED, Outcome.REJECTED, Outcome.KEPT])
def test_a_report_that_was_not_read_does_not_hide_one_that_was(
    world: World, known: Outcome, outcome: Outcome
) -> None:
    read = report(world, outcome=known)
    world.tables.put(REPORTS, [read])
    assert world.tables.put(REPORTS, [unread(world, outcome)]) == 0
    assert stored(world, read) == read


@pytest.mark.parametrize("known", [Outcome.PENDING, Outcome.FAILED])
def test_a_final_outcome_takes_the_place_of_an_open_one(world: World, known: Outcome) -> None:
    world.tables.put(REPORTS, [report(world, outcome=known)])
    gone = unread(world, Outcome.DELETED)
    assert world.tables.put(REPORTS, [gone]) == 1
    assert stored(world, gone) == gone


def test_a_report_that_was_not_read_gives_way_to_any(world: World) -> None:
    deleted = unread(world, Outcome.DELETED)
    restored = deleted.becomes(Outcome.KEPT, restored_at=NOW)
    read = report(world)
    for row in (deleted, restored, read):
        assert world.tables.put(REPORTS, [row]) == 1
        assert stored(world, row) == row


def test_a_report_that_was_read_takes_the_place_of_any(world: World) -> None:
    rows = [report(world, outcome=outcome) for outcome in Outcome]
    for row in rows:
        assert world.tables.put(REPORTS, [row]) == 1
        assert stored(world, row) == row


def test_the_latest_look_at_a_key_stands_in_the_index(world: World) -> None:
    looks = [
        asset(world, version="v2", judged_at=NOW),
        asset(world, version="v1", judged_at=NOW - SECOND),
        asset(world, version="v1", judged_at=NOW - timedelta(microseconds=1), deleted_at=NOW),
    ]
    assert [world.tables.put(ASSETS, [look]) for look in looks] == [1, 0, 0]
    assert world.tables.get(ASSETS, ASSETS.key(looks[0])) == looks[0]


@pytest.mark.parametrize("later", [timedelta(0), timedelta(microseconds=1), SECOND])
def test_tombstones_and_live_rows_give_way_to_later_looks(world: World, later: timedelta) -> None:
    live = asset(world)
    tombstone = asset(world, judged_at=NOW + later, deleted_at=NOW)
    again = asset(world, version="v2", judged_at=NOW + 2 * later)
    for row in (live, tombstone, again):
        assert world.tables.put(ASSETS, [row]) == 1
        assert world.tables.get(ASSETS, ASSETS.key(row)) == row


def test_looks_are_compared_as_times_not_as_texts(world: World) -> None:
    whole_second = asset(world, judged_at=NOW.replace(microsecond=0))
    later = asset(world, version="v2", judged_at=NOW.replace(microsecond=1))
    assert world.tables.put(ASSETS, [later]) == 1
    assert world.tables.put(ASSETS, [whole_second]) == 0


def test_refused_rows_do_not_take_their_neighbours_with_them(world: World) -> None:
    newer = [asset(world, f"{n:03}.wav", judged_at=NOW + SECOND) for n in (0, 7, 49, 50, 119)]
    world.tables.put(ASSETS, newer)
    rows = [asset(world, f"{n:03}.wav") for n in range(120)]
    assert world.tables.put(ASSETS, rows) == 115
    found = {row.file: row for row in world.tables.query(ASSETS, ASSETS_BY_BUCKET, world.bucket)}
    assert found == {row.file: row for row in [*rows, *newer]}


def test_all_rows_may_be_refused(world: World) -> None:
    newer = [asset(world, f"{n:03}.wav", judged_at=NOW + SECOND) for n in range(60)]
    world.tables.put(ASSETS, newer)
    assert world.tables.put(ASSETS, [asset(world, f"{n:03}.wav") for n in range(60)]) == 0
    assert list(world.tables.query(ASSETS, ASSETS_BY_BUCKET, world.bucket)) == newer


def test_conditional_and_free_rows_are_written_in_one_put(world: World) -> None:
    known = report(world, "known.wav")
    world.tables.put(REPORTS, [known])
    rows = [
        unread(world, Outcome.DELETED, key="known.wav"),
        unread(world, Outcome.DELETED, key="unknown.wav"),
        report(world, "read.wav"),
    ]
    assert world.tables.put(REPORTS, rows) == 2
    assert [stored(world, row) for row in rows] == [known, *rows[1:]]


# --- reading in pages -----------------------------------------------------------------------------


def pages(
    world: World,
    limit: int,
    *,
    newest_first: bool = False,
    within: Condition | None = None,
    condition: Condition | None = None,
) -> Iterator[list[str]]:
    cursor: str | None = None
    while True:
        page = world.tables.page(
            ASSETS,
            ASSETS_BY_BUCKET,
            world.bucket,
            limit=limit,
            cursor=cursor,
            newest_first=newest_first,
            within=within,
            condition=condition,
        )
        yield [row.file for row in page.rows]
        if (cursor := page.cursor) is None:
            return


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_hold_each_row_once_and_in_order(world: World, limit: int) -> None:
    files = [f"{n}/Ü ber.wav" for n in range(7)]
    world.tables.put(ASSETS, [asset(world, file) for file in files])
    found = list(pages(world, limit))
    assert [file for page in found for file in page] == files
    assert all(len(page) <= limit for page in found)
    newest_first = [file for page in pages(world, limit, newest_first=True) for file in page]
    assert newest_first == files[::-1]


def test_a_condition_leaves_rows_out(world: World) -> None:
    world.tables.put(ASSETS, [asset(world, f"{n}.wav", sample_rate=n) for n in range(6)])
    condition = Condition("#rate >= :rate", {"#rate": "sample_rate"}, {":rate": 4})
    found = [file for page in pages(world, 2, condition=condition) for file in page]
    assert found == ["4.wav", "5.wav"]


def test_rows_within_bounds_of_the_sort_key_are_all_that_is_read(world: World) -> None:
    world.tables.put(ASSETS, [asset(world, f"{n}.wav") for n in range(6)])
    within = Condition(
        "#file BETWEEN :first AND :last", {"#file": "file"}, {":first": "1", ":last": "4"}
    )
    found = list(pages(world, 2, within=within, newest_first=True))
    assert found == [["3.wav", "2.wav"], ["1.wav"]]


def test_a_walk_goes_on_behind_any_row(world: World) -> None:
    rows = [asset(world, f"{n}.wav") for n in range(6)]
    world.tables.put(ASSETS, rows)
    for n, row in enumerate(rows):
        page = world.tables.page(
            ASSETS, ASSETS_BY_BUCKET, world.bucket, limit=10, cursor=cursor_behind(ASSETS.key(row))
        )
        assert page.rows == rows[n + 1 :]


def test_an_empty_partition_is_one_empty_page(world: World) -> None:
    assert list(pages(world, 10)) == [[]]


def test_only_rejections_are_in_the_index_of_rejections(world: World) -> None:
    rejected = [
        report(world, f"{n}.wav", outcome=Outcome.REJECTED, judged_at=NOW + n * SECOND)
        for n in range(3)
    ]
    world.tables.put(REPORTS, [*rejected, report(world, "valid.wav")])
    page = world.tables.page(REPORTS, REJECTIONS, world.bucket, limit=2, newest_first=True)
    assert page.rows == rejected[:0:-1]
    rest = world.tables.page(
        REPORTS, REJECTIONS, world.bucket, limit=2, newest_first=True, cursor=page.cursor
    )
    assert rest.rows == rejected[:1]
    world.tables.put(REPORTS, [row.becomes(Outcome.KEPT) for row in rejected])
    assert list(world.tables.query(REPORTS, REJECTIONS, world.bucket)) == []


def test_rows_are_found_by_day_and_by_object(world: World) -> None:
    versions = [report(world, version=f"v{n}", day=f"1999-01-0{n}") for n in (1, 2)]
    world.tables.put(REPORTS, versions)
    assert list(world.tables.query(REPORTS, REPORTS_BY_OBJECT, versions[0].uri)) == versions
    of_the_day = world.tables.query(REPORTS, BY_DAY, "1999-01-02")
    assert [row for row in of_the_day if row.bucket == world.bucket] == versions[1:]


def test_rows_that_lie_anywhere_come_in_pages(world: World) -> None:
    rows = [asset(world, f"{n}.wav") for n in range(5)]
    world.tables.put(ASSETS, rows)
    mine = Condition("#bucket = :bucket", {"#bucket": "bucket"}, {":bucket": world.bucket})
    found: list[Asset] = []
    cursor: str | None = None
    while True:
        page = world.tables.scan(
            ASSETS, key=("bucket", "file"), limit=3, cursor=cursor, condition=mine
        )
        found += page.rows
        if (cursor := page.cursor) is None:
            break
    assert sorted(found, key=lambda row: row.file) == rows


def test_rows_of_a_partition_are_counted(world: World) -> None:
    world.tables.put(ASSETS, [asset(world, f"{n}.wav") for n in range(3)])
    some = Condition("#version <> :none", {"#version": "version"}, {":none": ""})
    none = Condition("#version = :none", {"#version": "version"}, {":none": ""})
    assert world.tables.count(ASSETS, ASSETS_BY_BUCKET, world.bucket, some) == 3
    assert world.tables.count(ASSETS, ASSETS_BY_BUCKET, world.bucket, none) == 0


def encoded(key: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "?",
        "Übung",
        "AAAA",
        encoded([1]),
        encoded("a"),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_a_cursor_that_is_none_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        world.tables.page(ASSETS, ASSETS_BY_BUCKET, world.bucket, limit=1, cursor=cursor)


@pytest.mark.parametrize(
    "change",
    [
        lambda key: {**key, "bucket": {"S": "other"}},
        lambda key: {**key, "file": {"N": "1"}},
        lambda key: {**key, "file": "a.wav"},
        lambda key: {**key, "file": {"S": 1}},
        lambda key: {"bucket": key["bucket"]},
        lambda _key: {},
    ],
)
def test_a_tampered_cursor_is_refused(
    world: World, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    key = {"bucket": {"S": world.bucket}, "file": {"S": "a.wav"}}
    with pytest.raises(InvalidCursorError):
        world.tables.page(
            ASSETS, ASSETS_BY_BUCKET, world.bucket, limit=1, cursor=encoded(change(key))
        )


def test_a_cursor_of_another_list_is_refused(world: World) -> None:
    world.tables.put(ASSETS, [asset(world, f"{n}.wav") for n in range(2)])
    cursor = world.tables.page(ASSETS, ASSETS_BY_BUCKET, world.bucket, limit=1).cursor
    assert cursor
    with pytest.raises(InvalidCursorError):
        world.tables.page(ASSETS, ASSETS_BY_BUCKET, "other", limit=1, cursor=cursor)
    with pytest.raises(InvalidCursorError):
        world.tables.page(REPORTS, REJECTIONS, world.bucket, limit=1, cursor=cursor)


# --- what no server gives at will -----------------------------------------------------------------


@pytest.fixture
def stubbed() -> Iterator[tuple[Tables, Stubber]]:
    """Tables that talk to a client whose answers are written beforehand."""
    client = boto3.client(
        "dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(client) as stubber:
        yield Tables(client), stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_module, "_pauses", lambda: iter([0.0] * 8))


def test_only_a_cursor_is_blamed_on_the_cursor(stubbed: tuple[Tables, Stubber]) -> None:
    tables, stubber = stubbed
    cursor = encoded({"bucket": {"S": "ingest"}, "file": {"S": "a.wav"}})
    for known, code in [(None, "ValidationException"), (cursor, "AccessDeniedException")]:
        stubber.add_client_error("query", code)
        with pytest.raises(ClientError, match=code):
            tables.page(ASSETS, ASSETS_BY_BUCKET, "ingest", limit=1, cursor=known)


def put_request(batch: ReceiptBatch) -> dict[str, Any]:
    return {"PutRequest": {"Item": tables_module._item_of_row(RECEIPTS, batch)}}


def receipt_batches(count: int) -> list[ReceiptBatch]:
    return [ReceiptBatch(batch=f"b{n}", created_at=NOW, receipts=()) for n in range(count)]


@pytest.mark.usefixtures("no_pauses")
def test_unprocessed_writes_are_sent_again(stubbed: tuple[Tables, Stubber]) -> None:
    tables, stubber = stubbed
    batches = receipt_batches(3)
    left = [put_request(batch) for batch in batches[1:]]
    for sent, unprocessed in [([put_request(batches[0]), *left], left), (left, left[1:])]:
        stubber.add_response(
            "batch_write_item",
            {"UnprocessedItems": {RECEIPTS.name: unprocessed}},
            {"RequestItems": {RECEIPTS.name: sent}},
        )
    stubber.add_response(
        "batch_write_item",
        {"UnprocessedItems": {}},
        {"RequestItems": {RECEIPTS.name: left[1:]}},
    )
    assert tables.put(RECEIPTS, batches) == 3


@pytest.mark.usefixtures("no_pauses")
def test_unprocessed_reads_are_asked_for_again(stubbed: tuple[Tables, Stubber]) -> None:
    tables, stubber = stubbed
    batches = receipt_batches(2)
    items = [tables_module._item_of_row(RECEIPTS, batch) for batch in batches]
    left = {"Keys": [{"batch": {"S": "b1"}}], "ConsistentRead": True}
    stubber.add_response(
        "batch_get_item",
        {"Responses": {RECEIPTS.name: items[:1]}, "UnprocessedKeys": {RECEIPTS.name: left}},
    )
    stubber.add_response(
        "batch_get_item",
        {"Responses": {RECEIPTS.name: items[1:]}, "UnprocessedKeys": {}},
        {"RequestItems": {RECEIPTS.name: left}},
    )
    assert tables.get_many(RECEIPTS, [{"batch": "b0"}, {"batch": "b1"}]) == batches


@pytest.mark.usefixtures("no_pauses")
def test_writes_that_stay_unprocessed_are_an_error(stubbed: tuple[Tables, Stubber]) -> None:
    tables, stubber = stubbed
    (batch,) = receipt_batches(1)
    for _ in range(8):
        stubber.add_response(
            "batch_write_item", {"UnprocessedItems": {RECEIPTS.name: [put_request(batch)]}}
        )
    with pytest.raises(ThrottledError, match="1 rows were not written"):
        tables.put(RECEIPTS, [batch])


def cancelled(stubber: Stubber, *codes: str) -> None:
    stubber.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


@pytest.mark.usefixtures("no_pauses")
def test_a_transaction_in_conflict_is_sent_again_without_what_was_refused(
    stubbed: tuple[Tables, Stubber], world: World
) -> None:
    tables, stubber = stubbed
    cancelled(stubber, "None", "TransactionConflict", "ThrottlingError")
    cancelled(stubber, "ConditionalCheckFailed", "TransactionConflict", "None")
    stubber.add_response("transact_write_items", {})
    assert tables.put(ASSETS, [asset(world, f"{n}.wav") for n in range(3)]) == 2


@pytest.mark.usefixtures("no_pauses")
def test_a_transaction_that_stays_in_conflict_is_an_error(
    stubbed: tuple[Tables, Stubber], world: World
) -> None:
    tables, stubber = stubbed
    for _ in range(8):
        cancelled(stubber, "TransactionConflict")
    with pytest.raises(ThrottledError, match="assets"):
        tables.put(ASSETS, [asset(world)])


def test_a_transaction_that_can_never_pass_is_not_repeated(
    stubbed: tuple[Tables, Stubber], world: World
) -> None:
    tables, stubber = stubbed
    cancelled(stubber, "ValidationError")
    with pytest.raises(ClientError):
        tables.put(ASSETS, [asset(world)])


def test_references_of_receipts_come_back_equal(world: World) -> None:
    ref = some_ref(world.bucket, "new\nline.wav", version="v1", size=0)
    batch = ReceiptBatch.model_validate(
        {
            "batch": world.bucket,
            "created_at": NOW,
            "receipts": [{"message_id": "1", "handle": "h", "objects": [ref, ref]}],
        }
    )
    world.tables.put(RECEIPTS, [batch])
    assert world.tables.get(RECEIPTS, {"batch": world.bucket}) == batch
