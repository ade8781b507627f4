"""`python -m ingest_pipeline.api`: the HTTP API as a process of its own."""

import sys

from ingest_pipeline.api.app import serve
from ingest_pipeline.settings import SettingsError, settings

if __name__ == "__main__":
    try:
        config = settings()
    except SettingsError as error:
        sys.exit(str(error))
    serve(config)
