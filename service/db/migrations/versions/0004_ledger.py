"""A ledger that can be replaced as a whole, and what changed since it was last brought up to date

Revision: 0004, after 0002, 2026-11-27
"""

from __future__ import annotations

from alembic import op

from service.db.migrations import run_file

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the ledger a table with one part, and the tables and triggers around it."""
    run_file(op.get_bind(), "0004_ledger.sql")


def downgrade() -> None:
    """Make it one plain table again; nothing of it or its history is lost."""
    run_file(op.get_bind(), "0004_drop.sql")
