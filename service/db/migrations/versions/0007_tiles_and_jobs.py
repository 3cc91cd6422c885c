"""What tiles are made from, and the queue of jobs, each in a schema of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager

from service.db.migrations import run_file

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both schemas."""
    connection = op.get_bind()
    run_file(connection, "0007_tiles.sql")
    op.execute("CREATE SCHEMA job")
    run_file(connection, "0007_jobs.sql")
    before = connection.exec_driver_sql("SHOW search_path").scalar_one()
    set_path = sa.text("SELECT set_config('search_path', :path, true)")
    connection.execute(set_path, {"path": "job, public"})
    # procrastinate's own file names its tables without a schema
    bare = connection.execution_options(no_parameters=True)
    bare.exec_driver_sql(SchemaManager.get_schema())
    connection.execute(set_path, {"path": before})


def downgrade() -> None:
    """Drop both, with all that writes into them."""
    op.execute("DROP FUNCTION replace_assignment()")
    op.execute("ALTER FUNCTION switch_assignment() RENAME TO replace_assignment")
    op.execute("DROP SCHEMA IF EXISTS tile_next CASCADE")
    op.execute("DROP SCHEMA tile CASCADE")  # and the triggers that call its functions
    op.execute("DROP SCHEMA job CASCADE")
