"""A long run that tells how far it is, and is left alone while it gets on."""

import time

import dagster as dg


class Progress:
    """Writes into a run's log how far it is.

    Run monitoring ends a run after a time that suits batches, a day of millions takes longer. So
    its limit is counted from the last sign of life.
    """

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._seconds_allowed = context.instance.run_monitoring_max_runtime_seconds
        self._began = self._extended = time.monotonic()

    def tell(self, how_far: object) -> None:
        """Note it, and have the run's limit count from now."""
        self._context.log.info("%s", how_far)
        now = time.monotonic()
        if self._seconds_allowed and now - self._extended > self._seconds_allowed / 10:
            allowed = round(now - self._began) + self._seconds_allowed
            self._context.instance.add_run_tags(
                self._context.run.run_id, {dg.MAX_RUNTIME_SECONDS_TAG: str(allowed)}
            )
            self._extended = now
