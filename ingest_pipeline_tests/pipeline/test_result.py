from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ingest_pipeline.errors import ChangedError, MistakeError, RefusedError, TransientError
from ingest_pipeline.pipeline.result import (
    Answers,
    Done,
    Refused,
    Result,
    RetryLater,
    attempt,
    for_each,
    retries,
    values,
)
from ingest_pipeline_tests.world import some_ref

REF = some_ref("b", "k", version="v1")
A, B, C = (some_ref("b", key, version="v1") for key in "abc")


def raising(error: Exception) -> Callable[[], Result[str]]:
    def work() -> Result[str]:
        raise error

    return work


def test_what_the_work_answers_is_the_answer() -> None:
    answer = Done(REF, "row")
    assert attempt(REF, lambda: answer) is answer


def test_an_object_that_changed_meanwhile_needs_no_more() -> None:
    assert attempt(REF, raising(ChangedError("gone"))) == Done(REF)


def test_an_object_at_fault_is_refused_with_the_reason() -> None:
    assert attempt(REF, raising(RefusedError("no frame"))) == Refused(REF, "no frame")


@pytest.mark.parametrize(
    "error",
    [
        TransientError("throttled"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:9"),
        ClientError({"Error": {"Code": "SlowDown", "Message": "reduce"}}, "GetObject"),
        ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject"),
        OSError(28, "No space left on device"),
        TimeoutError("too long"),
    ],
)
def test_surroundings_that_fail_are_tried_again(error: Exception) -> None:
    assert attempt(REF, raising(error)) == RetryLater(REF, str(error))


@pytest.mark.parametrize(
    "error", [ValueError("ours"), KeyError("ours"), MistakeError("a person's")]
)
def test_a_mistake_of_ours_is_no_answer(error: Exception) -> None:
    with pytest.raises(type(error)):
        attempt(REF, raising(error))


def test_there_is_an_answer_for_each_reference_in_their_order() -> None:
    refs = [some_ref("b", key, version="v1") for key in ("c", "a", "b")]
    made: list[Result[str]] = [RetryLater(refs[2], "later"), Done(refs[0], "row")]
    assert for_each(refs, made) == [
        Done(refs[0], "row"),
        Done(refs[1]),
        RetryLater(refs[2], "later"),
    ]


def test_a_reference_without_a_version_means_the_one_that_something_was_made_of() -> None:
    made = Done(REF, "row")
    assert for_each([some_ref("b", "k")], [made]) == [made]
    assert for_each([some_ref("b", "k", version="v2")], [made]) == [
        Done(some_ref("b", "k", version="v2"))
    ]


def test_values_and_what_is_to_be_tried_again_are_told_apart() -> None:
    answers: list[Result[str]] = [
        Done(REF, "done"),
        Done(REF),
        Refused(REF, "why", "refused"),
        RetryLater(REF, "why", "half"),
        RetryLater(REF, "why"),
    ]
    assert values(answers) == ["done", "refused", "half"]
    assert retries(answers) == answers[3:]


def test_of_a_batch_every_answer_is_kept_without_what_was_made() -> None:
    answers = Answers(of_messages=True)
    answers.add([Done(A, "a picture"), Refused(B, "no frame", "a row")])
    answers.add([RetryLater(C, "throttled", "a row")])
    assert answers.objects == 3
    assert answers.results == [Done(A), Refused(B, "no frame"), RetryLater(C, "throttled")]


def test_of_whole_days_only_those_are_kept_that_are_to_be_tried_again() -> None:
    answers = Answers(of_messages=False)
    answers.add([Done(A, "a picture"), Refused(B, "no frame"), RetryLater(C, "throttled")])
    assert (answers.objects, answers.results) == (3, [RetryLater(C, "throttled")])
