"""From messages to batches: which objects share a run."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from more_itertools import chunked, unique_everseen

from ingest_pipeline.catalog.model import ObjectRef, Receipt

_SHRINK = 8


@dataclass(frozen=True)
class Batch:
    """The objects of one run, all of one day, and the messages that wait for them."""

    id: str
    day: str
    objects: tuple[ObjectRef, ...]
    receipts: tuple[Receipt, ...]


def plan_batches(receipts: Iterable[Receipt], max_objects: int) -> list[Batch]:
    """Group messages by arrival day into batches of at most `max_objects` messages.

    A message that comes again had its run fail or die, perhaps by its own doing: it rides with
    others of its fate in batches an eighth as large each time (200, 25, 3, 1), so an object that
    kills its run is alone before SQS gives up at the fifth delivery, while the 199 neighbours of
    a run that was killed from outside need 8 runs, not 199.

    A message whose objects arrived on several days rides in a batch of each.
    """
    groups: dict[tuple[str, int], list[Receipt]] = defaultdict(list)
    for receipt in receipts:
        for day in sorted({ref.day for ref in receipt.objects}):
            groups[day, receipt.receive_count].append(receipt)
    return [
        _batch(day, members)
        for (day, count), group in groups.items()
        for members in chunked(group, max(1, max_objects // _SHRINK ** (count - 1)))
    ]


def _batch(day: str, receipts: Sequence[Receipt]) -> Batch:
    objects = (ref for receipt in receipts for ref in receipt.objects if ref.day == day)
    return Batch(uuid4().hex, day, tuple(unique_everseen(objects)), tuple(receipts))
