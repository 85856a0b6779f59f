"""The core of the store."""

from hookward.adapters.postgres.migrate import run_script

revision = "0001"
down_revision = None
oldest_version = "0.1.0"
"""The oldest version of Hookward that may run on this schema."""


def upgrade() -> None:
    run_script("0001_core.sql")
