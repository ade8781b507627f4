from ingest_pipeline.definitions import defs
from ingest_pipeline_tests.defs.runs import selected_by


def test_the_job_makes_renditions_and_the_pictures_that_show_them_and_answers() -> None:
    assert selected_by("transcode_videos") == {"renditions", "previews", "transcode_receipts"}


def test_transcodings_share_a_pool_so_that_one_runs_at_a_time() -> None:
    nodes = defs().resolve_job_def("transcode_videos").all_node_defs
    assert {node.name: node.pools for node in nodes} == {
        "renditions": {"transcode"},
        "previews": set(),
        "transcode_receipts": set(),
    }
