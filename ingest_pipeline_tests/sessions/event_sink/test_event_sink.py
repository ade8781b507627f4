from ingest_pipeline.errors import MistakeError, TransientError
from ingest_pipeline.sessions.event_sink.event_sink import (
    EventSinkUnavailableError,
    EventSinkUrlError,
)


def test_a_sink_that_is_away_is_no_fault_of_the_session_and_a_wrong_url_one_of_a_person() -> None:
    assert issubclass(EventSinkUnavailableError, TransientError)
    assert issubclass(EventSinkUrlError, MistakeError)
