"""Where which role is short, and who would come if the distance did not matter

Revision: 0005, after 0004, 2026-11-27
"""

from __future__ import annotations

from alembic import op

from service.db.migrations import run_file

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for the explanation of the last staffing."""
    run_file(op.get_bind(), "0005_shortages.sql")


def downgrade() -> None:
    """Forget it."""
    run_file(op.get_bind(), "0005_drop.sql")
