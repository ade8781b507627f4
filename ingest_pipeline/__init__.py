"""Takes in every media object that lands in S3: probes it, judges it, indexes it, explains it."""

from typing import TYPE_CHECKING

__version__: str

if not TYPE_CHECKING:  # mypy would believe in every other name, too

    def __getattr__(name: str) -> str:
        """Look `__version__` up when it is asked for.

        Every process and every child that is started imports this package, and the lookup costs
        30 ms.
        """
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version  # noqa: PLC0415

        return version("ingest_pipeline")
