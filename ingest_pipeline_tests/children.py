"""The processes that a test started."""

import psutil

_OF_THE_SESSION = "ingest_pipeline.local.server"  # the fixture `embedded_aws`, there for all tests


def own_children() -> list[psutil.Process]:
    """Every living child and grandchild of this process but the embedded AWS."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE and _OF_THE_SESSION not in process.cmdline()
    ]
