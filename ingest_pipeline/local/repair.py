"""After a kill of the embedded AWS: ask again for what its lost messages asked for.

Run as a process of its own, since it needs Dagster's wiring, which the embedded AWS does without.
"""

import sys
from datetime import timedelta

import click

from ingest_pipeline.defs.common.wiring import resources
from ingest_pipeline.pipeline.reconciliation import recent_days
from ingest_pipeline.settings import settings
from ingest_pipeline.system import System

_AT_ONCE = timedelta(0)  # the youngest objects are those whose messages are lost


def main() -> None:
    """Send what has no outcome through the queue again, and ask for what outcomes lack.

    What still waits in a queue is asked for twice, which costs a look: what is there is not made
    again. Of 200 recordings, 148 had no preview after a kill, and the queue was never empty.
    """
    config = settings()
    system = System(config)
    reconciler = system.reconciler()
    found = [
        difference
        for bucket in system.sources.buckets
        for difference in reconciler.differences(bucket, _AT_ONCE)
    ]
    sent = reconciler.repair(found)
    requests = resources(config).requests.requests
    asked = requests.request_again(recent_days(), _AT_ONCE, idle_only=False)
    click.echo(f"{sent} objects sent through the queue again, {asked} asked for what they lack")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001 - whatever it was, who started this tries again
        sys.exit(f"repair: {type(error).__name__}: {error}")
