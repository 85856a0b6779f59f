"""The core of the store."""

from hookward.adapters.postgres.migrate import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_script("0001_core.sql")
