"""Grids of unfinished delineations

Revision: 0002, after 0001, 2026-11-27
"""

from __future__ import annotations

from alembic import op

from service.db.migrations import run_file

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of kept grids."""
    run_file(op.get_bind(), "0002_kept_grids.sql")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE kept_grid")
