"""Whether the disk under INGEST_HOME has room for more objects of the embedded AWS."""

import shutil

from ingest_pipeline.settings import Settings


def shortage(config: Settings, wanted: int = 0) -> str | None:
    """Say it where the embedded AWS takes no object of `wanted` bytes; None where it does.

    What stays free is for what cannot be refused: delete markers, and the tables and queues, which
    are written anew beside their older state. Without it the embedded AWS went on from memory when
    the disk was full, and a kill took 42 of 120 objects that it had acknowledged.
    """
    if config.aws == "real":
        return None
    free = shutil.disk_usage(config.state).free
    if free - wanted >= config.min_free_bytes:
        return None
    asked = f", {wanted:,} are to be written" if wanted else ""
    return (
        f"the disk is full: {free:,} bytes are free under {config.state}{asked}, and "
        f"{config.min_free_bytes:,} must stay free (INGEST_MIN_FREE_BYTES); nothing can be uploaded"
    )
