"""Core tables, their rules and views

Revision: 0001, the first, 2026-11-23
"""

from __future__ import annotations

from alembic import op

from service.db.migrations import run_file

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything; the extensions only where they are missing."""
    op.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    for name in ("0001_tables.sql", "0001_rules.sql", "0001_views.sql"):
        run_file(op.get_bind(), name)


def downgrade() -> None:
    """Drop everything but the extensions."""
    run_file(op.get_bind(), "0001_drop.sql")
