"""The job that transcodes."""

import dagster as dg

transcode_videos = dg.define_asset_job(
    "transcode_videos",
    selection=dg.AssetSelection.assets("renditions", "previews", "transcode_receipts"),
    description="Makes renditions and previews of one video, or of all of the partition's day.",
)
