"""From messages to batches: which objects share a run."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from uuid import uuid4

from more_itertools import chunked, unique_everseen

from ingest_pipeline.records.model import (
    ObjectRef,
    Receipt,
)

_SHRINK = 8
_WORTH_A_RUN = 50  # messages: a run costs as much as 50 to 100 objects
_REQUESTS_TOLD = 5  # of a batch: few, as Postgres indexes the tags that tell them
_ALONE = 4  # SQS gives up at the fifth delivery


@dataclass(frozen=True)
class Batch:
    """The objects of one run, all of one group, and the messages that wait for them."""

    id: str
    group: str
    objects: tuple[ObjectRef, ...]
    receipts: tuple[Receipt, ...]

    @property
    def is_repeated(self) -> bool:
        """Whether these messages were delivered before: their run failed or died."""
        return any(receipt.receive_count > 1 for receipt in self.receipts)

    @property
    def requests(self) -> str:
        """The ids of the API's requests that asked for it, a blank between; the first few."""
        ids = unique_everseen(receipt.request for receipt in self.receipts if receipt.request)
        return " ".join(islice(ids, _REQUESTS_TOLD))


def by_day(ref: ObjectRef) -> str:
    """Objects share a run that arrived on one day: a run has one partition."""
    return ref.day


def by_month(ref: ObjectRef) -> str:
    """Sessions share a run whose dates lie in one month: a year's upload is 12 runs, not 365."""
    return ref.day[: len("2026-03")]


def plan_batches(
    receipts: Iterable[Receipt],
    max_objects: int,
    group_of: Callable[[ObjectRef], str] = by_day,
    growth: int = 1,
    slots: int = 1,
) -> list[Batch]:
    """Group messages into batches of at most `max_objects` messages, all of one group.

    What comes for the first time is shared among so many `slots`, that a flood keeps them all busy.

    A message that comes again had its run fail or die, perhaps by its own doing: it rides with
    others of its fate in batches an eighth as large each time (500, 62, 7, 1), so an object that
    kills its run is alone before SQS gives up at the fifth delivery, while the 499 neighbours of
    a run that was killed from outside need 8 runs, not 499. Each such batch that went well lately
    doubles the next ones (`growth`): 150 objects of killed runs took 413 s in batches of 7. From
    the fourth delivery on nothing rides with others, whatever went well.

    A message whose objects are of several groups rides in a batch of each.
    """
    receipts = list(receipts)
    shared = max(_WORTH_A_RUN, ceil(len(receipts) / slots))
    return [
        _batch(group, members, group_of)
        for (group, count), fellows in _together(receipts, group_of).items()
        for members in chunked(
            fellows, min(shared, max_objects) if count == 1 else _size(max_objects, count, growth)
        )
    ]


def runs_needed(
    receipts: Iterable[Receipt],
    max_objects: int,
    group_of: Callable[[ObjectRef], str] = by_day,
    growth: int = 1,
) -> int:
    """How many batches `plan_batches` would make."""
    groups = _together(receipts, group_of).items()
    return sum(ceil(len(group) / _size(max_objects, count, growth)) for (_, count), group in groups)


def _together(
    receipts: Iterable[Receipt], group_of: Callable[[ObjectRef], str]
) -> dict[tuple[str, int], list[Receipt]]:
    together: dict[tuple[str, int], list[Receipt]] = defaultdict(list)
    for receipt in receipts:
        for group in sorted(set(map(group_of, receipt.objects))):
            together[group, receipt.receive_count].append(receipt)
    return together


def _size(max_objects: int, receive_count: int, growth: int) -> int:
    if receive_count == 1:
        return max_objects
    shrunk: int = max(1, max_objects // _SHRINK ** (receive_count - 1))
    return shrunk if receive_count >= _ALONE else min(max_objects, shrunk * growth)


def _batch(group: str, receipts: Sequence[Receipt], group_of: Callable[[ObjectRef], str]) -> Batch:
    objects = (ref for receipt in receipts for ref in receipt.objects if group_of(ref) == group)
    return Batch(
        uuid4().hex, group, tuple(unique_everseen(objects, key=_identity)), tuple(receipts)
    )


def _identity(ref: ObjectRef) -> tuple[str, str, str | None, str | None]:
    """Cheaper to compare than the whole reference."""
    return ref.bucket, ref.key, ref.version, ref.etag
