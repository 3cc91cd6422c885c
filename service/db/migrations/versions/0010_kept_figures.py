"""What pages and tiles say of a grid, kept with it: the posts held, the figures of an area

Revision: 0010, after 0009, 2026-11-27
"""

from __future__ import annotations

from alembic import op

from service.db.migrations import run_file

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count what is there and keep it."""
    run_file(op.get_bind(), "0010_teams.sql")
    run_file(op.get_bind(), "0010_areas.sql")


def downgrade() -> None:
    """Count again whenever it is read."""
    run_file(op.get_bind(), "0010_drop.sql")
    for name in ("name", "parent", "flag", "grids", "households", "vacancies"):
        op.drop_column("area", name, schema="tile")
