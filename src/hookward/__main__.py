"""``python -m hookward``."""

from hookward.entrypoints.cli.main import main

main()
