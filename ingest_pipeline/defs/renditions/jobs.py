"""The job that transcodes."""

import dagster as dg

render_videos = dg.define_asset_job(
    "render_videos",
    selection=dg.AssetSelection.assets("renditions", "previews"),
    executor_def=dg.in_process_executor,
    description="Makes renditions and previews of one video, or of all of the partition's day.",
)
