"""Grids that keep their code while their polygon changes

Revision: 0008, after 0007, 2026-11-27
"""

from __future__ import annotations

from alembic import op

from service.db.migrations import run_file

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Part each grid from its polygon."""
    run_file(op.get_bind(), "0008_grid_versions.sql")


def downgrade() -> None:
    """Put grids and polygons together again, where each grid has one."""
    run_file(op.get_bind(), "0008_drop.sql")
