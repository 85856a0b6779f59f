import pytest

from benchmarks.appointment import BODY_BYTES, appointment
from benchmarks.figures import percentile
from benchmarks.sink import Receipt, astray
from hookward.adapters.json_schema import ResourceSchema
from hookward.bootstrap.factories import built_in_types
from hookward.domain.json import encode_exact


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_the_nearest_rank(share, expected):
    assert percentile(range(100, 0, -1), share) == expected


def test_what_arrives_once_at_its_own_path_is_not_astray():
    assert astray([Receipt("/a", "1", 0), Receipt("/b", "2", 1)], {"/a": {"1"}, "/b": {"2"}}) == []


def test_what_is_missing_misplaced_or_doubled_is_named():
    receipts = [Receipt("/a", "1", 0), Receipt("/a", "1", 1), Receipt("/b", "3", 2)]

    assert astray(receipts, {"/a": {"1", "2"}}) == [
        "1 deliveries missing, such as 2 at /a",
        "1 deliveries at the wrong path, such as 3 at /b",
        "1 deliveries more than once, such as 1 at /a",
    ]


def test_the_published_appointment_is_a_kilobyte_that_validates():
    resource = appointment()

    assert len(encode_exact(resource)) == BODY_BYTES
    assert ResourceSchema(built_in_types()["appointment"].schema).problems(resource) == []
