"""What is made of objects, as a whole."""

import dagster as dg
from pydantic import Field

from ingest_pipeline.aws.mediaconvert.service import MediaConvert
from ingest_pipeline.defs.common.resources.aws import AwsResource
from ingest_pipeline.pipeline.derived import Derived


class DerivedResource(dg.ConfigurableResource["DerivedResource"]):
    """The bucket and tables of all that is made of objects: it stands only for indexed versions."""

    aws: dg.ResourceDependency[AwsResource]
    bucket: str = Field(description="Where renditions and pictures lie.")
    mediaconvert_role: str | None = Field(
        None, description="ARN that MediaConvert takes on; nothing: it makes none of them."
    )

    @property
    def derived(self) -> Derived:
        """What publishes and removes them."""
        if self.mediaconvert_role is None:
            return Derived(self.aws.s3, self.aws.tables, self.bucket)
        service = MediaConvert(self.aws.clients, self.mediaconvert_role, None)
        return Derived(self.aws.s3, self.aws.tables, self.bucket, service.cancel)
