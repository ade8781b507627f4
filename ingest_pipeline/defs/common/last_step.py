"""The last step of every job: messages of what is done go, those of the rest come again."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from ingest_pipeline.defs.common.resources.queues import LeasesResource
from ingest_pipeline.pipeline.result import Result, retries


class LastStep:
    """Acknowledges what is done or refused; what is to be tried again is released by the leases.

    Call `acknowledge` once what it is told is on record: a message that is gone cannot come again.
    """

    def __init__(self, leases: LeasesResource) -> None:
        self._leases = leases.leases
        self._messages = 0
        self.open: list[str] = []  # what is to be tried again, each with the reason

    def acknowledge(self, results: Iterable[Result[Any]]) -> None:
        """Acknowledge the messages of these answers."""
        results = list(results)
        self._messages += len(self._leases.acknowledge(results))
        self.open += [f"{each.ref.uri}: {each.reason}" for each in retries(results)]

    def materialized(
        self, metadata: Mapping[str, Any], asset_key: str | None = None
    ) -> dg.MaterializeResult[None]:
        """The asset's result; where a step makes several assets, that of this one.

        Raises:
            dg.Failure: something is to be tried again.
        """
        self.check()
        return dg.MaterializeResult(
            asset_key=asset_key, metadata={**metadata, "messages": self._messages}
        )

    def check(self) -> None:
        """Fail the run where something is to be tried again: its neighbours are done all the same.

        Raises:
            dg.Failure: with the number and the first reason.
        """
        if self.open:
            raise dg.Failure(
                f"{len(self.open)} objects are to be tried again; the first: {self.open[0]}",
                metadata={"to be tried again": self.open[:100]},
            )
