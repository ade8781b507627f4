"""The sink with the official client, against a server that speaks the bulk API."""

import logging
from collections.abc import Iterator
from contextlib import closing

import pytest

from ingest_pipeline.errors import TransientError
from ingest_pipeline.sessions.event_sink.elasticsearch import (
    ElasticsearchSink,
    ElasticsearchUrl,
    document_id,
    opened_event_sink,
)
from ingest_pipeline.sessions.event_sink.event_sink import (
    EventSinkUnavailableError,
    EventSinkUrlError,
)
from ingest_pipeline.sessions.model import Event, Session
from ingest_pipeline_tests.sessions.bulk_server import PASSWORD, Elastic, elastic

INDEX = "session-events"


@pytest.fixture
def server() -> Iterator[Elastic]:
    with elastic() as running:
        yield running


@pytest.fixture
def sink(server: Elastic) -> Iterator[ElasticsearchSink]:
    with opened_event_sink(server.url) as opened:
        assert isinstance(opened, ElasticsearchSink)
        yield opened


def event(tag: str, timestamp: str = "2026-03-01 10:00:00", **fields: str) -> Event:
    return Event.model_validate({"audio_tag": tag, "timestamp": timestamp, **fields})


def session(name: str, *events: Event) -> Session:
    return Session(session_id=name, events=events)


def test_an_event_is_a_document_with_types_of_its_own(
    server: Elastic, sink: ElasticsearchSink
) -> None:
    assert not sink.write([session("s1", event("a.wav", vehicle_id="V236", driver="Zoë"))])
    types = {name: of["type"] for name, of in server.indices[INDEX]["properties"].items()}
    assert types["timestamp"] == "date"
    assert types["comment"] == "text"
    assert types["vehicle_id"] == types["audio_tag"] == types["session_id"] == "keyword"
    document = server.documents[document_id("s1", "a.wav")]
    assert document["session_id"] == "s1"
    assert document["timestamp"] == "2026-03-01 10:00:00"
    assert document["driver"] == "Zoë"
    assert document.keys() <= types.keys()


def test_repeated_nothing_is_twice_and_the_index_is_made_once(server: Elastic) -> None:
    events = [session("s1", event("a.wav"), event("b.wav")), session("s2", event("a.wav"))]
    for _ in range(2):
        with opened_event_sink(server.url) as sink:
            assert sink
            sink.write(events)
            first = dict(server.documents)
    assert server.documents == first
    assert len(first) == 3
    assert server.asked.count(f"PUT /{INDEX}") == 1


def test_many_events_are_few_requests(server: Elastic, sink: ElasticsearchSink) -> None:
    sink.write([session(f"s{n}", *(event(f"{m}.wav") for m in range(3))) for n in range(400)])
    assert len(server.documents) == 1200
    assert server.asked.count("PUT /_bulk") == 3


def test_a_time_that_nobody_knows_is_left_out(server: Elastic, sink: ElasticsearchSink) -> None:
    assert not sink.write([session("s1", event("a.wav", timestamp="ND"))])
    assert "timestamp" not in server.documents[document_id("s1", "a.wav")]


def test_a_comment_stays_when_its_event_comes_again(
    server: Elastic, sink: ElasticsearchSink
) -> None:
    sink.write([session("s1", event("a.wav", driver="A"))])
    sink.set_comments({("s1", "a.wav"): "hard braking"})
    sink.write([session("s1", event("a.wav", driver="B"))])
    document = server.documents[document_id("s1", "a.wav")]
    assert (document["comment"], document["driver"]) == ("hard braking", "B")


def test_a_comment_may_come_before_its_event(server: Elastic, sink: ElasticsearchSink) -> None:
    sink.set_comments({("s1", "a.wav"): "hard braking"})
    sink.write([session("s1", event("a.wav", driver="A"))])
    document = server.documents[document_id("s1", "a.wav")]
    assert (document["comment"], document["driver"]) == ("hard braking", "A")


def test_what_the_mapping_refuses_is_told_and_its_neighbours_are_in(
    server: Elastic, sink: ElasticsearchSink
) -> None:
    odd = event("b.wav").model_copy(update={"timestamp": "yesterday"})
    refused = sink.write([session("s1", event("a.wav"), odd, event("c.wav"))])
    assert refused == {
        ("s1", "b.wav"): "document_parsing_exception: failed to parse field [timestamp] of type "
        "[date]: cannot: [yesterday]"
    }
    assert server.documents.keys() == {document_id("s1", t) for t in ("a.wav", "c.wav")}


def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    server: Elastic, sink: ElasticsearchSink
) -> None:
    server.answer_next = [429, 503]
    assert not sink.write([session("s1", event("a.wav"))])
    assert server.asked.count("PUT /_bulk") == 3
    assert len(server.documents) == 1


@pytest.mark.parametrize("status", [429, 503, 500, 409])
def test_an_item_that_passes_is_no_refusal_and_repeated_it_is_in(
    server: Elastic, sink: ElasticsearchSink, status: int
) -> None:
    server.item_next = [200, status]
    events = [session("s1", event("a.wav"), event("b.wav"))]
    with pytest.raises(EventSinkUnavailableError, match=f"taken 1 of 2 events: {status} es_rej"):
        sink.write(events)
    assert not sink.write(events)
    assert len(server.documents) == 2


@pytest.mark.parametrize("status", [429, 502, 503, 504, 500, 413, 403])
def test_what_refuses_all_is_no_reason_to_lose_it(
    server: Elastic, sink: ElasticsearchSink, status: int
) -> None:
    server.answer_next = [status] * 4
    with pytest.raises(TransientError, match=f"{status} es_rejected_execution_exception: queue"):
        sink.write([session("s1", event("a.wav"))])


def test_the_password_is_told_nowhere(
    server: Elastic, sink: ElasticsearchSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sink.write([session("s1", event("a.wav"))])
    wrong = server.url.replace("pa%3Ass", "wr%3Aong")
    other = ElasticsearchSink(ElasticsearchUrl.parse(wrong))
    with closing(other), pytest.raises(EventSinkUnavailableError) as caught:
        other.write([session("s1", event("a.wav"))])
    assert "401 security_exception" in str(caught.value)
    told = f"{caplog.text} {caught.value} {sink!r}"
    assert "/_bulk" in told
    for part in (PASSWORD, "pa%3Ass", "wr:ong", "wr%3Aong"):
        assert part not in told


def test_a_server_that_is_away_may_come_back() -> None:
    with elastic() as gone:
        url = gone.url
    sink = ElasticsearchSink(ElasticsearchUrl.parse(url))
    with closing(sink), pytest.raises(EventSinkUnavailableError):
        sink.write([session("s1", event("a.wav"))])


def test_without_a_url_there_is_no_sink() -> None:
    with opened_event_sink(None) as sink:
        assert sink is None


def test_a_url_is_taken_apart() -> None:
    url = "elasticsearch+https://us%40er:p%2Fw@search.example.org/events?ca_certs=/etc/ca.pem"
    assert ElasticsearchUrl.parse(url) == ElasticsearchUrl(
        host="https://search.example.org:9200",
        index="events",
        user="us@er",
        password="p/w",
        ca_certs="/etc/ca.pem",
    )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://u:secret@host/index", "begins with neither elasticsearch"),
        ("elasticsearch+https://u:secret@host:9200", "a host and behind it an index"),
        ("elasticsearch+https://u:secret@host/Index", "in small letters"),
        ("elasticsearch+https://u:secret@host:port/index", "cannot be read"),
        ("elasticsearch+http://u:secret@host/index", "all could be read on the way: ?plain=yes"),
        ("elasticsearch+https://u:secret@host/index?cert=x", "cert is no option"),
    ],
)
def test_what_is_no_url_is_told_without_its_password(url: str, why: str) -> None:
    with pytest.raises(EventSinkUrlError) as caught:
        ElasticsearchUrl.parse(url)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


def test_plain_http_is_spoken_where_somebody_says_so() -> None:
    url = ElasticsearchUrl.parse("elasticsearch+http://host:80/index?plain=yes")
    assert url.host == "http://host:80"


def test_ids_are_told_apart_and_short() -> None:
    assert document_id("s/1", "a") != document_id("s", "1/a")
    assert document_id("s" * 5000, "a") == document_id("s" * 5000, "a")
    assert len(document_id("s" * 5000, "a")) == 64
