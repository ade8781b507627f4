import threading

import pytest

from ingest_pipeline.trace import accept_id, known_id, request_id, working_for


@pytest.mark.parametrize("given", ["abc-1", "0f" * 16, "Root=1-67891233-abcdef012345678912345678"])
def test_a_plain_token_is_taken(given: str) -> None:
    assert accept_id(given) == given


@pytest.mark.parametrize("given", [None, "", "a b", "a\n", "a\x1b[2J", "ä", "x" * 65, "-x", '"'])
def test_what_is_none_gets_an_id_of_ours(given: str | None) -> None:
    assert len(accept_id(given)) == 32
    assert accept_id(given) != accept_id(given)
    assert known_id(given) is None


def test_work_is_for_a_request_in_its_block_alone() -> None:
    seen: list[str | None] = []
    with working_for("outer"):
        with working_for("inner"):
            assert request_id() == "inner"
            other = threading.Thread(target=lambda: seen.append(request_id()))
            other.start()
            other.join()
        assert request_id() == "outer"
    assert request_id() is None
    assert seen == [None]
