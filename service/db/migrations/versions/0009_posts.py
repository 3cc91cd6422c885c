"""No post beyond the need of a grid's team

Revision: 0009, after 0008, 2026-11-27
"""

from __future__ import annotations

from alembic import op

from service.db.migrations import run_file

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bound the posts of a grid by the need."""
    run_file(op.get_bind(), "0009_posts.sql")


def downgrade() -> None:
    """Leave it to the flows again."""
    run_file(op.get_bind(), "0009_drop.sql")
