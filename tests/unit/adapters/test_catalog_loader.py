"""Reading a catalog: what makes a type, and how a broken entry is reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hookward.adapters.catalog import load_catalog
from hookward.domain.errors import ConfigError
from hookward.domain.resource_types.model import BodyShape, ResourceType
from hookward.domain.resource_types.operations import ChangeKind, Format, Operation, OperationBatch

ENTRY = """
name = "shop.order"
title = "Order"
description = "An order of a shop."
scope = ["shopId"]
identity = ["id"]
body = "wrapped"
watch_routes = ["/shops/{shopId}/orders/watch"]
any_value = {shopId = "0"}

[[operations]]
methods = ["PUT", "PATCH"]
path = "/shops/{shopId}/orders/{orderId}"
event = "updated"
fills = {orderId = "id"}
aliases = {orderId = "number"}

[[operations]]
methods = ["DELETE"]
path = "/shops/{shopId}/orders"
event = "deleted"
body = false
renames = {why = "reason"}
options = ["silent"]
formats = ["json", "jsv"]
query = true

[[operations]]
methods = ["POST"]
path = "/shops/{shopId}/orders/batch"

[operations.batch]
items = "orders"
verb = "do"
id = "key"
identity = "id"
resource = "order"
directives = "patch"
kinds = {drop = "deleted"}
limit = 7

[[operations]]
methods = ["POST"]
path = "/shops/{shopId}/orders/search"
"""


UPDATE = Operation(
    method="PUT", path="/shops/{shopId}/orders/{orderId}", event=ChangeKind.UPDATED,
    fills={"orderId": "id"}, aliases={"orderId": "number"},
)  # fmt: skip


def write_type(directory: Path, *, entry: str = ENTRY, schema: str = "{}", sample: str = '{"id": "Ø1"}') -> None:
    (directory / "shop.order.toml").write_text(entry, encoding="utf-8")
    (directory / "shop.order.schema.json").write_text(schema, encoding="utf-8")
    (directory / "shop.order.sample.json").write_text(sample, encoding="utf-8")


def complaint(directory: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_catalog(directory)
    return str(caught.value)


def test_a_type_is_made_of_its_three_files(tmp_path: Path) -> None:
    write_type(tmp_path)

    assert load_catalog(tmp_path) == (
        ResourceType(
            name="shop.order",
            title="Order",
            scope=("shopId",),
            identity=("id",),
            body=BodyShape.WRAPPED,
            schema={},
            sample={"id": "Ø1"},
            any_value={"shopId": "0"},
            watch_routes=("/shops/{shopId}/orders/watch",),
            operations=(
                UPDATE,
                replace(UPDATE, method="PATCH"),
                Operation(
                    method="DELETE", path="/shops/{shopId}/orders", event=ChangeKind.DELETED, body=False,
                    renames={"why": "reason"}, options=("silent",), formats=(Format.JSON, Format.JSV), query=True,
                ),
                Operation(
                    method="POST", path="/shops/{shopId}/orders/batch",
                    batch=OperationBatch(
                        items="orders", verb="do", id="key", identity="id", resource="order", directives="patch",
                        kinds={"drop": ChangeKind.DELETED}, limit=7,
                    ),
                ),
                Operation(method="POST", path="/shops/{shopId}/orders/search"),
            ),
        ),
    )  # fmt: skip


def test_a_directory_without_entries_holds_no_types(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()

    assert load_catalog(tmp_path) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('body = "wrapped"', 'body = "folded"'),
        ('body = "wrapped"', ""),
        ('title = "Order"', 'title = "Order"\ncolour = "red"'),
        ('title = "Order"', 'title = ""'),
        ('["id"]', "[]"),
        ('["shopId"]', '["a", "b", "c", "d", "e"]'),
        ('name = "shop.order"', 'name = "shop.invoice"'),
        ('name = "shop.order"', "name ="),
        ('any_value = {shopId = "0"}', 'any_value = {townId = "0"}'),
        ("/shops/{shopId}/", "/towns/{townId}/"),
        ('event = "updated"', 'event = "merged"'),
        ('event = "updated"', 'event = "updated"\ncolour = "red"'),
        ('["DELETE"]', '["GET"]'),
        ('["DELETE"]', "[]"),
        ('{orderId = "id"}', "{}"),
        ("limit = 7", "limit = 0"),
        ('["json", "jsv"]', '["xml"]'),
    ],
)
def test_a_broken_entry_is_reported_by_its_file_name(tmp_path: Path, old: str, new: str) -> None:
    write_type(tmp_path, entry=ENTRY.replace(old, new))

    assert complaint(tmp_path).startswith("shop.order.toml: ")


def test_an_entry_that_is_not_utf_8_is_reported_by_its_file_name(tmp_path: Path) -> None:
    (tmp_path / "shop.order.toml").write_bytes(b"title = '\xff'")

    assert complaint(tmp_path).startswith("shop.order.toml: ")


def test_a_parameter_outside_the_scope_is_named(tmp_path: Path) -> None:
    write_type(tmp_path, entry=ENTRY.replace("/shops/{shopId}/", "/towns/{townId}/"))

    assert complaint(tmp_path) == (
        "shop.order.toml: the watch route /towns/{townId}/orders/watch names townId, which the scope lacks"
    )


@pytest.mark.parametrize("part", ["schema", "sample"])
def test_a_missing_part_is_reported_by_its_file_name_alone(tmp_path: Path, part: str) -> None:
    write_type(tmp_path)
    (tmp_path / f"shop.order.{part}.json").unlink()

    assert complaint(tmp_path) == f"shop.order.{part}.json: No such file or directory"


@pytest.mark.parametrize("part", ["schema", "sample"])
@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_part_that_is_no_json_object_is_reported_by_its_file_name(tmp_path: Path, part: str, text: str) -> None:
    write_type(tmp_path)
    (tmp_path / f"shop.order.{part}.json").write_text(text, encoding="utf-8")

    assert complaint(tmp_path).startswith(f"shop.order.{part}.json: ")
