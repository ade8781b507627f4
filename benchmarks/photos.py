"""A photo as the old client shares it: from before its PUT until its post shows image and labels.

Against the same steps in one warm process that waits for this photo alone, one after another:
ingest, preview, labels. The client reads its posts every 50 ms; the old one does so once, 2 s
after the PUT.
"""

import time
from itertools import cycle, islice
from statistics import median
from typing import Any

import httpx

from benchmarks.harness import (
    BUCKET,
    Figure,
    Sizes,
    embedded_aws,
    in_child,
    running_system,
    wait_until,
)
from ingest_pipeline.aws.objects.listing import list_newest_versions
from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.local.samples import SAMPLES
from ingest_pipeline.pipeline.result import values
from ingest_pipeline.settings import Settings, settings
from ingest_pipeline.system import System

_POLL_SECONDS = 0.05
_PAUSES = (1.1, 2.7, 0.6)  # seconds: the photos come at other moments of the sensors' looks
_GOAL = 2.0  # seconds


def measure(sizes: Sizes) -> list[Figure]:
    with embedded_aws() as config:
        plain = median(in_child(config, "photos:plainly", sizes.posts))
    with running_system() as config:
        found = [
            _shared(config, number, pause)
            for number, pause in enumerate(islice(cycle(_PAUSES), sizes.posts))
        ]
    ours, shown = (median(column) for column in zip(*found, strict=True))
    return [
        Figure(
            f"{sizes.posts} photos: PUT to labels in the post, p50: times as long",
            f"{ours:.2f} s",
            f"{plain:.2f} s",
            ours / plain,
            f"at most {_GOAL:g} s",
            ours <= _GOAL,
            note=f"the image stood in the post after {shown:.2f} s; the slowest labels after "
            f"{max(labelled for labelled, _ in found):.2f} s",
        )
    ]


def plainly(count: int) -> list[float]:
    """Seconds of each photo's steps, one after another; the first two warm up."""
    system = System(settings())
    wired = resources(system.config)
    previewer, labelling = wired.previewer.previewer(), wired.labeler.labelling()
    seconds = []
    for number in range(count + 2):
        key, begun = f"{number}.jpg", time.monotonic()
        system.clients.s3.put_object(Bucket=BUCKET, Key=key, Body=_photo(number))
        standing = list_newest_versions(system.clients.s3, BUCKET)
        [ref] = [each.ref for each in standing if each.ref.key == key]
        wired.ingest([ref])
        previewer.preview([ref])
        if not values(labelling.label([ref])):
            raise RuntimeError(f"{key} has no labels")
        seconds.append(time.monotonic() - begun)
    return seconds[2:]


def _shared(config: Settings, number: int, pause: float) -> tuple[float, float]:
    """Seconds until a new post has its labels, and until it has its image."""
    time.sleep(pause)
    user = f"user-{number}"
    headers = {"Authorization": user}
    with httpx.Client(base_url=config.api_url, headers=headers, trust_env=False) as client:
        made = client.post("/posts", json={"title": "a photo", "body": ""})
        post_id = made.raise_for_status().headers["Location"].rpartition("/")[2]
        query = {"filename": "photo.jpg", "filetype": "image/jpeg", "postId": post_id}
        url = client.get("/signedUrlPut", params=query).raise_for_status().json()["uploadURL"]
        begun, shown = time.monotonic(), 0.0
        answer = httpx.put(
            url, content=_photo(number), headers={"Content-Type": "image/jpeg"}, trust_env=False
        )
        answer.raise_for_status()

        def is_labelled() -> bool:
            nonlocal shown
            posts: list[dict[str, Any]] = client.get("/posts").raise_for_status().json()
            post = next(each for each in posts if each["id"] == f"POST#{post_id}")
            if post.get("image") and not shown:
                shown = time.monotonic() - begun
            return bool(post.get("labels") or post.get("label"))

        wait_until(is_labelled, 60, _POLL_SECONDS)
    return time.monotonic() - begun, shown


def _photo(number: int) -> bytes:
    """The sample with a comment behind its end: other bytes each time."""
    return (SAMPLES / "photo.jpg").read_bytes() + number.to_bytes(2, "big")
