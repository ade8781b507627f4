"""The index of valid objects as clients of the HTTP API see it: one bucket, no tombstones."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ingest_pipeline.api.keys import fits
from ingest_pipeline.api.models import NewAsset
from ingest_pipeline.aws.items import Page
from ingest_pipeline.aws.tables import Tables
from ingest_pipeline.catalogue.delete_requests import DeleteRequests
from ingest_pipeline.records.model import (
    POSTED,
    Asset,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    ASSETS_BY_BUCKET,
    Condition,
)

# The contract's assets are recordings; videos and images stand in the same index.
_LIVE = Condition("attribute_not_exists(deleted_at) AND attribute_exists(channel_count)")
_MOST_ROWS = 1000  # that DynamoDB looks at in one call
_NEVER = datetime.fromtimestamp(0, UTC)  # any real look at the object is later

# Like ASSETS, with another winner: whoever comes first. A tombstone is nobody.
_NEW_ASSETS = replace(
    ASSETS,
    condition=lambda _asset: Condition(
        "attribute_not_exists(#file) OR attribute_exists(deleted_at)", names={"#file": "file"}
    ),
)

_LIVE_ASSETS = replace(
    ASSETS,
    condition=lambda _asset: Condition("attribute_not_exists(deleted_at)"),
)


@dataclass(frozen=True)
class AssetIndex:
    """Finds, lists, adds and removes assets."""

    bucket: str
    tables: Tables
    deletions: DeleteRequests

    def find(self, file: str) -> Asset | None:
        """Find a recording by its key; a key too long for S3 has none."""
        if not fits(file):
            return None
        asset = self.tables.get(ASSETS, {"bucket": self.bucket, "file": file})
        return asset if asset and not asset.is_deleted and is_recording(asset) else None

    def all(self) -> Iterator[Asset]:
        """Every recording in the order of the keys, fetched as they are asked for."""
        rows = self.tables.query(ASSETS, ASSETS_BY_BUCKET, self.bucket)
        return (asset for asset in rows if not asset.deleted_at and is_recording(asset))

    def page(self, limit: int, cursor: str | None) -> Page[Asset]:
        """Exactly `limit` live rows, fewer only at the end, however many tombstones lie between.

        DynamoDB counts tombstones before it leaves them out. So a stretch of nothing else is
        crossed in steps that double; once one brought more than there is room for, the end of
        the page lies within it, and is found in steps that halve.

        Raises:
            InvalidCursorError: the cursor is none that a page gave.

        """
        rows: list[Asset] = []
        step, too_far = limit, False
        while True:
            page = self._live(step, cursor)
            room = limit - len(rows)
            if len(page.rows) > room:
                step, too_far = max(1, step // 2), True
                continue
            rows += page.rows
            cursor = page.cursor
            if cursor is None or len(rows) == limit:
                return Page(rows, cursor)
            if too_far:
                step = max(1, step // 2)
            elif page.rows:
                step = limit - len(rows)
            else:
                step = min(2 * step, _MOST_ROWS)

    def _live(self, limit: int, cursor: str | None) -> Page[Asset]:
        return self.tables.page(
            ASSETS, ASSETS_BY_BUCKET, self.bucket, limit=limit, cursor=cursor, condition=_LIVE
        )

    def add(self, new: NewAsset) -> Asset | None:
        """Add a row for an object that nobody looked at yet; None when the key has a live one.

        Of several clients that add the same key at once, one succeeds.
        """
        now = datetime.now(UTC)
        asset = Asset(
            **dict(new),
            version=POSTED,
            day=now.strftime("%Y-%m-%d"),
            last_modified=now,
            judged_at=_NEVER,
        )
        return asset if self.tables.put(_NEW_ASSETS, [asset]) else None

    def remove(self, file: str) -> bool:
        """Ask for the deletion of a recording and take its row out; False when it has no live one.

        The request goes first: if it cannot be sent, nothing has changed. Of several clients that
        ask at once, one succeeds.
        """
        asset = self.find(file)
        if asset is None:
            return False
        version = None if asset.version == POSTED else asset.version
        if not self.deletions.request(self.bucket, file, version):
            return False
        now = datetime.now(UTC)
        gone = {"judged_at": now, "deleted_at": now, "replaces": asset.version}
        return self.tables.put(_LIVE_ASSETS, [asset.model_copy(update=gone)]) == 1


def is_recording(asset: Asset) -> bool:
    """Whether a row is of audio."""
    return asset.channel_count is not None
