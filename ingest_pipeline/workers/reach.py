"""Whether runs can be sent at all, for those who must not import what sends them."""

from typing import Protocol, runtime_checkable

from ingest_pipeline.errors import TransientError

BROKER = "the workers' broker"  # how each message of its absence begins


class BrokerAwayError(TransientError):
    """The broker does not answer: what was to be sent stays where it is."""


@runtime_checkable
class NeedsBroker(Protocol):
    """A launcher that sends runs through a broker."""

    def check_broker(self) -> None:
        """Have the broker answer.

        Raises:
            BrokerAwayError: it does not.
        """
