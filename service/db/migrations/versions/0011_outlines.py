"""What a page of grids reads, ready: outlines as GeoJSON text, codes in the plans

Revision: 0011, after 0010, 2026-11-28
"""

from __future__ import annotations

from alembic import op

from service.db.migrations import run_file

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Write the outlines and name the grids of every plan."""
    run_file(op.get_bind(), "0011_outlines.sql")


def downgrade() -> None:
    """Look up and write whenever it is read."""
    run_file(op.get_bind(), "0011_drop.sql")
