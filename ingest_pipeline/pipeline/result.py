"""What a step answers for an object: done, refused, or to be tried again later.

Every step of every job gives one of these three for each object that it was asked about. One
object's failure is an answer like any other, so it never touches its neighbours; the last step of
a job acknowledges the messages of what is done or refused, and releases the rest.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from ingest_pipeline.aws.errors import AWS_ERRORS
from ingest_pipeline.errors import ChangedError, RefusedError, TransientError
from ingest_pipeline.records.model import ObjectRef

Value = TypeVar("Value")


@dataclass(frozen=True)
class Done(Generic[Value]):
    """The step did its work, found it done, or found nothing to do."""

    ref: ObjectRef
    value: Value | None = None  # what came of it, on record: a report, a row


@dataclass(frozen=True)
class Refused(Generic[Value]):
    """The object itself does not allow it; trying again comes to the same."""

    ref: ObjectRef
    reason: str
    value: Value | None = None


@dataclass(frozen=True)
class RetryLater(Generic[Value]):
    """The surroundings failed; the object's message is to come again."""

    ref: ObjectRef
    reason: str
    value: Value | None = None


Result = Done[Value] | Refused[Value] | RetryLater[Value]


@dataclass
class Answers:
    """What a step answered, as far as the last step of its run needs it: not what was made.

    A run of whole days has no message to answer for. Of its objects, which are without number, only
    those are kept that are to be tried again.
    """

    of_messages: bool  # False: of whole days
    objects: int = 0
    results: list[Result[None]] = field(default_factory=list)

    def add(self, results: Sequence[Result[Any]]) -> None:
        """Take some in."""
        self.objects += len(results)
        kept = results if self.of_messages else retries(results)
        self.results += [replace(each, value=None) for each in kept]


def attempt(ref: ObjectRef, work: Callable[[], Result[Value]]) -> Result[Value]:
    """The answer of some work on one object; what it raises becomes the answer that it means.

    An object that was replaced or deleted meanwhile needs no more of it: its newer version, or its
    deletion, is an object of its own.
    """
    try:
        return work()
    except ChangedError:
        return Done(ref)
    except RefusedError as error:
        return Refused(ref, str(error))
    except (TransientError, *AWS_ERRORS, OSError) as error:
        return RetryLater(ref, str(error))


def for_each(refs: Iterable[ObjectRef], made: Iterable[Result[Value]]) -> list[Result[Value]]:
    """An answer for each reference: what was made of it, or done, where nothing was to do.

    A reference that names no version means the one that something was made of.
    """
    known: dict[tuple[str, str | None], Result[Value]] = {}
    for each in made:
        known[each.ref.uri, each.ref.version] = known[each.ref.uri, None] = each
    return [known.get((ref.uri, ref.version)) or Done(ref) for ref in refs]


def values(results: Iterable[Result[Value]]) -> list[Value]:
    """What came of those of which anything did, in their order."""
    return [result.value for result in results if result.value is not None]


def retries(results: Iterable[Result[Value]]) -> list[RetryLater[Value]]:
    """Those that are to be tried again."""
    return [result for result in results if isinstance(result, RetryLater)]
