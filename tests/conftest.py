from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-cases", type=int, default=0, help="Requests that test_fuzz makes up; some hundreds if 0.")
    parser.addoption(
        "--postgres",
        choices=("18", "16", "all"),
        default="18",
        help="The major version of PostgreSQL that the contract suite runs on; CI takes all.",
    )
