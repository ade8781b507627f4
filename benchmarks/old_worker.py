"""The baseline: one message, one whole download, one HTTP call at a time.

It has the same boto3 clients as the pipeline, a connection to the API that stays open, and the
project's own API to save into.
"""

import tempfile
import time

import httpx
from wavinfo import WavInfoReader

from benchmarks.harness import BUCKET, upload, wav
from ingest_pipeline.aws.events import parse_ingest_body
from ingest_pipeline.settings import settings
from ingest_pipeline.system import System

_WARM_UP = 5  # objects


class OldWorker:
    """Takes in objects one after another."""

    def __init__(self, system: System) -> None:
        self._clients = system.clients
        self._queue_url = system.queues.ingest.queue.url
        self._api = httpx.Client(base_url=system.config.api_url, trust_env=False, timeout=30)

    def take_one(self) -> bool:
        """Take in the object of one message; False when there was none."""
        response = self._clients.sqs.receive_message(QueueUrl=self._queue_url)
        messages = response.get("Messages", [])
        for message in messages:
            for ref in parse_ingest_body(message["Body"]).objects:
                self._take_in(ref.bucket, ref.key)
            self._clients.sqs.delete_message(
                QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
            )
        return bool(messages)

    def _take_in(self, bucket: str, key: str) -> None:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            self._clients.s3.download_file(bucket, key, file.name)
            info = WavInfoReader(file.name)
        frames, rate = info.data.frame_count, info.fmt.sample_rate
        answer = self._api.post(
            "/asset",
            json={
                "bucket": bucket,
                "file": key,
                "channel_count": info.fmt.channel_count,
                "frame_count": frames,
                "sample_rate": rate,
                "bits_per_sample": info.fmt.bits_per_sample,
                "duration": str(frames / rate),
            },
        )
        answer.raise_for_status()


def drain(count: int, size: int) -> float:
    """Seconds to take in `count` objects of `size` bytes that wait in the queue."""
    system, worker = warm_worker()
    upload(system, "old", count, size)
    begun = time.monotonic()
    while worker.take_one():
        pass
    return time.monotonic() - begun


def latencies(count: int, size: int) -> list[float]:
    """Seconds from before each PUT until its asset is saved, with a worker that waits for it."""
    system, worker = warm_worker()
    seconds = []
    for number in range(count):
        body = wav(size, number)
        begun = time.monotonic()
        system.clients.s3.put_object(Bucket=BUCKET, Key=f"single-{number}.wav", Body=body)
        while not worker.take_one():
            pass
        seconds.append(time.monotonic() - begun)
    return seconds


def warm_worker() -> tuple[System, OldWorker]:
    system = System(settings())
    worker = OldWorker(system)
    upload(system, "warm-up", _WARM_UP, 1_000)
    while worker.take_one():
        pass
    return system, worker
