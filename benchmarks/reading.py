"""What a probe reads of 17 MB files, against downloading them as boto3 does: calls and bytes."""

import tempfile
from collections.abc import Callable

from benchmarks.harness import (
    BUCKET,
    LARGE,
    Figure,
    Sizes,
    counted_calls,
    embedded_aws,
    in_child,
    upload,
)
from ingest_pipeline.aws.objects.listing import list_newest_versions
from ingest_pipeline.aws.objects.ranged import (
    BLOCK,
    RangedObject,
)
from ingest_pipeline.media.probe import probe
from ingest_pipeline.records.model import ObjectRef
from ingest_pipeline.settings import settings
from ingest_pipeline.system import System


def measure(sizes: Sizes) -> list[Figure]:
    with embedded_aws() as config:
        calls, size = in_child(config, "reading:of_probes", sizes.large)
    with embedded_aws() as config:
        old_calls, old_size = in_child(config, "reading:of_downloads", sizes.large)
    name = f"{sizes.large} WAVs of 17 MB"
    return [
        Figure(
            f"{name}: bytes read per file, times fewer",
            f"{size:,.0f}",
            f"{old_size:,.0f}",
            old_size / size,
            f"at most {BLOCK:,} bytes",
            size <= BLOCK,
        ),
        Figure(
            f"{name}: S3 calls per file, times fewer",
            f"{calls:.1f}",
            f"{old_calls:.1f}",
            old_calls / calls,
        ),
    ]


def of_probes(count: int) -> tuple[float, float]:
    """Calls and bytes of probing a file."""
    return _cost(count, _probe)


def of_downloads(count: int) -> tuple[float, float]:
    """Calls and bytes of downloading a file."""
    return _cost(count, _download)


def _cost(count: int, read: Callable[[System, ObjectRef], None]) -> tuple[float, float]:
    with counted_calls() as counter:
        system = System(settings())
        upload(system, "large", count, LARGE)
        refs = [standing.ref for standing in list_newest_versions(system.clients.s3, BUCKET)]
        counter.calls.clear()
        for ref in refs:
            read(system, ref)
    return counter.calls.total() / count, counter.bytes_read / count


def _probe(system: System, ref: ObjectRef) -> None:
    file = RangedObject(system.clients.s3, ref)
    probe(file, file.state.size)


def _download(system: System, ref: ObjectRef) -> None:
    with tempfile.NamedTemporaryFile() as file:
        system.clients.s3.download_file(ref.bucket, ref.key, file.name)
