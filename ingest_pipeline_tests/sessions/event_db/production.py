"""The table `sds` as the old job made and filled it, in MySQL and the others."""

from datetime import datetime
from typing import Any

from ingest_pipeline_tests.sessions.servers import query

COLUMNS = [
    "vehicle",
    "country",
    "city",
    "timestamp",
    "comment",
    "annotation",
    "sds_provider_id",
    "sw_release",
    "session_id",
    "map_version",
    "driver",
    "codriver",
    "log_slice_link",
    "mission",
    "mission_segment",
    "creation_date",
]
_MOMENTS = {"timestamp", "creation_date"}


def make_production_table(url: str) -> None:
    """Narrow columns that spell Latin letters only, and a key that the rows get by themselves."""
    if url.startswith("mysql"):
        key, moment, end = "id INT AUTO_INCREMENT PRIMARY KEY", "DATETIME", "CHARACTER SET latin1"
    elif url.startswith("postgresql"):
        key, moment, end = "id SERIAL PRIMARY KEY", "TIMESTAMP", ""
    else:
        key, moment, end = "id INTEGER PRIMARY KEY", "DATETIME", ""
    kinds = (f"{name} {moment if name in _MOMENTS else 'VARCHAR(100)'}" for name in COLUMNS)
    query(url, f"CREATE TABLE sds ({key}, {', '.join(kinds)}) {end}")


def put_old_row(url: str, session_id: str, tag: str, **fields: Any) -> None:
    """A row as the old job wrote it: what was said as the comment, Berlin's wall clock."""
    row = {
        "vehicle": session_id.split("_")[1],
        "country": "DE",
        "city": "ND",
        "timestamp": datetime(2023, 7, 17, 11, 16, 55),  # noqa: DTZ001
        "comment": "Müller bremst spät",
        "annotation": tag.removesuffix(".wav").rpartition("_")[2],
        "sds_provider_id": tag,
        "sw_release": "ND",
        "session_id": session_id,
        "map_version": "ND",
        "driver": "Ada",
        "codriver": "Grace",
        "log_slice_link": f"https://old.example/{tag}",
        "mission": "rain",
        "mission_segment": "ND",
        "creation_date": datetime(2023, 7, 17, 13, 20, 1),  # noqa: DTZ001 - Europe/Berlin
        **fields,
    }
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    query(url, f"INSERT INTO sds ({names}) VALUES ({values})", **row)  # noqa: S608 - our names


def production_rows(url: str, where: str = "1 = 1") -> list[dict[str, Any]]:
    """The rows in the columns that the old job knew, in the order of their keys."""
    return query(url, f"SELECT id, {', '.join(COLUMNS)} FROM sds WHERE {where} ORDER BY id")  # noqa: S608
