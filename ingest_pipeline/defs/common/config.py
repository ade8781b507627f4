"""Run config: which objects a run is about."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

import dagster as dg
from pydantic import Field

from ingest_pipeline.records.model import ObjectRef

_EXAMPLE = '{"bucket": "ingest", "key": "audio_1.wav", "arrived": "2026-03-01T12:00:00+00:00"}'


class ObjectConfig(dg.Config):
    """An object, as its event or a person names it."""

    bucket: str = Field(description="Such as `ingest`.", examples=["ingest"])
    key: str = Field(
        description="The key as it is, not URL-encoded, such as `my file.wav`.",
        examples=["my file.wav"],
    )
    version: str | None = Field(None, description="S3 versionId.")
    etag: str | None = Field(None, description="ETag without quotes.")
    size: int | None = Field(None, description="Bytes.")
    sequencer: str | None = Field(None, description="The event's sequencer.")
    arrived: str = Field(
        description="Time of arrival with its zone, such as `2026-03-01T12:00:00+00:00`.",
        examples=["2026-03-01T12:00:00+00:00"],
    )

    @classmethod
    def of(cls, ref: ObjectRef) -> Self:
        """The config that names this object."""
        return cls(**ref.model_dump(mode="json"))

    def ref(self) -> ObjectRef:
        """The object that this config names."""
        return ObjectRef(**{**dict(self), "arrived": datetime.fromisoformat(self.arrived)})


class ObjectsConfig(dg.Config):
    """The objects of a run; none are all that arrived in the run's partitions."""

    objects: list[ObjectConfig] = Field(
        default=[],
        description=f"The objects, such as `[{_EXAMPLE}]`. Empty: every object of the partition's "
        "day, which is how a backfill works.",
    )

    @classmethod
    def of(cls, refs: tuple[ObjectRef, ...]) -> Self:
        """The config that names these objects."""
        return cls(objects=[ObjectConfig.of(ref) for ref in refs])

    def refs(self) -> list[ObjectRef]:
        """The objects as values."""
        return [each.ref() for each in self.objects]


def objects_of_run(run_config: Mapping[str, Any]) -> list[ObjectRef]:
    """The objects that a run is about, by the config of its steps; none: whole days."""
    for step in run_config.get("ops", {}).values():
        if objects := step.get("config", {}).get("objects"):
            return ObjectsConfig(objects=objects).refs()
    return []
