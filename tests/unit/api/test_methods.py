"""Which methods a path takes, where several fit."""

from __future__ import annotations

import pytest

from hookward.entrypoints.api.app import AllowedMethods

ALLOWED = AllowedMethods(
    [
        ("GET", "/things/{id}"), ("PUT", "/things/{id}"), ("POST", "/things/preview"), ("POST", "/things/{id}/test"),
        ("GET", "/{any}/{thing}"), ("GET", "/ö/x"),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/things/preview", {"POST"}),
        ("/things/%70review", {"POST"}),
        ("/things/a%2Fb", {"GET", "PUT"}),
        ("/things/1/test", {"POST"}),
        ("/others/1", {"GET"}),
        ("/%C3%B6/x", {"GET"}),
        ("/things", set()),
        ("/", set()),
    ],
)
def test_the_path_with_fewest_parameters_is_meant(path: str, methods: set[str]) -> None:
    assert ALLOWED.at(path) == methods
