"""The database: the engine and its sessions, the embedded cluster, migrations, frames."""
