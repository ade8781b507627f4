"""What the tests of objects share."""

from ingest_pipeline.aws.objects.ranged import RangedObject
from ingest_pipeline.records.model import ObjectRef, Outcome, Report, Verdict
from ingest_pipeline_tests.world import World

UNKNOWN = "6f1a9b3c-0000-0000-0000-000000000000"  # the form of a version that there is not
ODD_KEYS = [
    "A.wav",
    "a b+c%25.wav",
    "a.wav",
    "a/nested.wav",
    "new\nline.wav",
    "Ü.wav",
    "ﬀ.wav",  # U+FB00: after U+1F3B5 in UTF-16, before it in UTF-8
    "🎵.wav",
]


def opened(world: World, ref: ObjectRef, *, noncurrent: bool = False) -> RangedObject:
    return RangedObject(world.clients.s3, ref, noncurrent=noncurrent)


def judged(ref: ObjectRef) -> Report:
    return Report(
        bucket=ref.bucket,
        key=ref.key,
        version=ref.row_version,
        day=ref.day,
        etag=ref.etag,
        verdict=Verdict.REJECTED,
        outcome=Outcome.PENDING,
        judged_at=ref.arrived,
    )
