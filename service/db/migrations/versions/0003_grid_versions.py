"""Grids that keep their code while their polygon changes; no post beyond the need

Revision: 0003, after 0001, 2026-11-27
"""

from __future__ import annotations

from alembic import op

from service.db.migrations import run_file

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Part each grid from its polygon, and bound the posts of a grid by the need."""
    for name in ("0003_grid_versions.sql", "0003_posts.sql"):
        run_file(op.get_bind(), name)


def downgrade() -> None:
    """Put grids and polygons together again, where each grid has one."""
    run_file(op.get_bind(), "0003_drop.sql")
