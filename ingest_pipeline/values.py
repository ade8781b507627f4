"""The few value types that everybody uses."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer

FIRST_DAY = datetime(2015, 1, 1, tzinfo=UTC)  # where the arrival days begin


def _fixed_width(moment: datetime) -> str:
    """Timestamps of one width, so that they compare as strings in DynamoDB's conditions."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Timestamp = Annotated[AwareDatetime, PlainSerializer(_fixed_width, when_used="json")]


def object_uri(bucket: str, key: str) -> str:
    """`s3://bucket/key`, the key as it is."""
    return f"s3://{bucket}/{key}"


class Frozen(BaseModel):
    """A value: immutable, and closed to fields that nobody declared.

    What checks it is built when first needed: most processes need few of the hundred.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
