"""The command line. `main` is the command group; the other modules hold one group each."""
