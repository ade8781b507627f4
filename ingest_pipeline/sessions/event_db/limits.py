"""What columns hold, and texts cut to it: no session is refused for a long word."""

from dataclasses import dataclass

import sqlalchemy as sa

INDEXED_CHARACTERS = 512  # 2 KiB of UTF-8: PostgreSQL's indexes take 2.7 KB, MariaDB's 3 KB
_INDEXED = {"vehicle", "annotation", "session_id"}
_BYTES_OF_A_CHARACTER = 4  # at most, in UTF-8
_MYSQL = {"mysql", "mariadb"}
_MYSQL_CODECS = {
    "utf8mb4": "utf-8",
    "utf8mb3": "utf-8",
    "utf8": "utf-8",
    "latin1": "cp1252",
    "latin2": "iso8859-2",
    "ascii": "ascii",
}
_POSTGRESQL_CODECS = {
    "UTF8": "utf-8",
    "LATIN1": "iso8859-1",
    "LATIN2": "iso8859-2",
    "LATIN9": "iso8859-15",
    "WIN1250": "cp1250",
    "WIN1252": "cp1252",
}
_THREE_BYTES = {"utf8", "utf8mb3"}
_LAST_OF_THREE_BYTES = "\uffff"


@dataclass(frozen=True)
class Limit:
    """What a column of text takes; None is no limit. The same text is always cut alike."""

    characters: int | None = None
    bytes: int | None = None
    codec: str = "utf-8"
    is_of_three_bytes: bool = False  # MySQL's old utf8, which knows no emoji

    def cut(self, text: str) -> str:
        """As much of a text as the column takes; `?` in the place of what it cannot spell."""
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")[: self.characters]
        if self.is_of_three_bytes:
            text = "".join(each if each <= _LAST_OF_THREE_BYTES else "?" for each in text)
        if self.codec == "utf-8" and len(text) * _BYTES_OF_A_CHARACTER <= (self.bytes or 0):
            return text.encode(errors="replace").decode()
        content = text.encode(self.codec, errors="replace")
        return content[: self.bytes].decode(self.codec, errors="ignore")


def limits_of(connection: sa.Connection, table: str) -> dict[str, Limit]:
    """The limits of a table's columns of text, by their names."""
    dialect = connection.dialect.name
    if dialect in _MYSQL:
        found = _mysql_limits(connection, table)
    elif dialect == "postgresql":
        found = _postgresql_limits(connection, table)
    else:
        columns = sa.inspect(connection).get_columns(table)
        found = {column["name"]: Limit() for column in columns}
    return {
        name: Limit(
            min(limit.characters or INDEXED_CHARACTERS, INDEXED_CHARACTERS),
            limit.bytes,
            limit.codec,
            limit.is_of_three_bytes,
        )
        if name in _INDEXED
        else limit
        for name, limit in found.items()
    }


def _mysql_limits(connection: sa.Connection, table: str) -> dict[str, Limit]:
    columns = sa.text(
        "SELECT column_name, character_maximum_length, character_octet_length, character_set_name "
        "FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND table_name = :table AND character_set_name IS NOT NULL"
    )
    return {
        name: Limit(characters, size, _MYSQL_CODECS.get(codec, "ascii"), codec in _THREE_BYTES)
        for name, characters, size, codec in connection.execute(columns, {"table": table})
    }


def _postgresql_limits(connection: sa.Connection, table: str) -> dict[str, Limit]:
    encoding = connection.execute(sa.text("SHOW server_encoding")).scalar_one()
    codec = _POSTGRESQL_CODECS.get(encoding, "ascii")
    return {
        column["name"]: Limit(characters=getattr(column["type"], "length", None), codec=codec)
        for column in sa.inspect(connection).get_columns(table)
        if isinstance(column["type"], sa.String)
    }
