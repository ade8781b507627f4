"""Run config: which objects a run is about."""

from datetime import datetime

import dagster as dg
from pydantic import Field

from ingest_pipeline.defs.common.resources import (
    AwsResource,
)
from ingest_pipeline.records.model import (
    ObjectRef,
)


class ObjectConfig(dg.Config):
    """An object, as its event or a person names it."""

    bucket: str = Field(examples=["ingest"])
    key: str = Field(description="The key as it is, not URL-encoded.", examples=["my file.wav"])
    version: str | None = Field(None, description="S3 versionId.")
    etag: str | None = Field(None, description="ETag without quotes.")
    size: int | None = Field(None, description="Bytes.")
    sequencer: str | None = Field(None, description="The event's sequencer.")
    arrived: str = Field(
        description="Time of arrival with its zone.", examples=["2026-03-01T12:00:00+00:00"]
    )

    @classmethod
    def of(cls, ref: ObjectRef) -> "ObjectConfig":
        """The config that names this object."""
        return cls(**ref.model_dump(mode="json"))

    def ref(self) -> ObjectRef:
        """The object that this config names."""
        return ObjectRef(**{**dict(self), "arrived": datetime.fromisoformat(self.arrived)})


class ObjectsConfig(dg.Config):
    """The objects of a run; none are all that arrived in the run's partitions."""

    objects: list[ObjectConfig] = Field(
        default=[],
        description="The objects to take in. Empty: every object of the partition's day, found by "
        "listing the buckets, which is how a backfill works.",
    )

    def refs(self) -> list[ObjectRef]:
        """The objects as values."""
        return [each.ref() for each in self.objects]


def objects_of(
    context: dg.AssetExecutionContext, config: ObjectsConfig, aws: AwsResource
) -> list[ObjectRef]:
    """The objects of a run: those of its config, or all that are indexed of its days."""
    return config.refs() or list(aws.system.indexed_on(context.partition_keys))
