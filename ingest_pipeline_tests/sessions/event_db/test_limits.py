import pytest

from ingest_pipeline.sessions.event_db.limits import Limit


@pytest.mark.parametrize(
    ("limit", "text", "cut"),
    [
        (Limit(), "Zoë 🌧", "Zoë 🌧"),
        (Limit(), "a\0b", "a\ufffdb"),
        (Limit(characters=3), "日本語です", "日本語"),
        (Limit(bytes=7), "日本語", "日本"),
        (Limit(bytes=65_535), "ab", "ab"),
        (Limit(bytes=65_535), "🌧" * 20_000, "🌧" * 16_383),
        (Limit(codec="cp1252"), "Müller, Łódź €", "Müller, ?ód? €"),
        (Limit(is_of_three_bytes=True), "日🌧本", "日?本"),
        (Limit(codec="ascii", bytes=3), "Zoë!", "Zo?"),
    ],
)
def test_a_text_is_cut_to_what_a_column_takes_and_no_more(
    limit: Limit, text: str, cut: str
) -> None:
    assert limit.cut(text) == cut
    assert limit.cut(cut) == cut
