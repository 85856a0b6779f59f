"""``python -m hookward``."""

from hookward.entrypoints.cli import main

main()
