"""The load of every grid, kept as the ledger changes

Revision: 0006, after 0005, 2026-11-27
"""

from __future__ import annotations

from alembic import op

from service.db.migrations import run_file

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, count what is there, and read it in the view."""
    run_file(op.get_bind(), "0006_loads.sql")


def downgrade() -> None:
    """Count again whenever it is read."""
    run_file(op.get_bind(), "0006_drop.sql")
