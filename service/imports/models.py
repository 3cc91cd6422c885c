"""What was read from which file, and the rows that were refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base

__all__ = ["ImportBatch", "ImportReject"]


class ImportBatch(Base):
    """One source file, read once; the same checksum again means nothing to do."""

    __tablename__ = "import_batch"
    __table_args__ = (
        CheckConstraint(
            "loaded >= 0 AND rejected >= 0 AND loaded + rejected <= rows", name="counts"
        ),
        Index(None, "dataset_id", "source", "file"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id"))
    source: Mapped[str]
    file: Mapped[str]
    checksum: Mapped[str]
    rows: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    loaded: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    rejected: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    warnings: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class ImportReject(Base):
    """A row that was not loaded: its number in the file (from 1), the field, the reason."""

    __tablename__ = "import_reject"
    __table_args__ = (
        CheckConstraint("reason <> ''", name="reason"),
        Index(None, "batch_id", "row"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batch.id", ondelete="CASCADE"))
    row: Mapped[int | None] = mapped_column(BigInteger)
    field: Mapped[str | None]
    reason: Mapped[str]
    raw: Mapped[dict[str, Any] | None]
