"""`python -m ingest_pipeline.api`: the HTTP API as a process of its own."""

from ingest_pipeline.api.app import serve
from ingest_pipeline.settings import settings

if __name__ == "__main__":
    serve(settings())
