"""Alembic's environment: the caller brings the connection and the transaction."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("target_metadata"),
)
context.run_migrations()
