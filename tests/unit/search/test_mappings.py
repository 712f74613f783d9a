import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from batch_job.errors import ErrorCode
from batch_job.search.mappings import IMAGE_FIELDS, LABEL_FIELDS, IndexNames, index_body
from batch_job.values.ledger import LedgerEntry
from tests.search_examples import entry, label

DOCS = Path(__file__).parents[3] / "docs" / "index-fields.md"
ROW = re.compile(r"^\| `([\w.]+)` \| (\w+) \|", re.MULTILINE)


def mapped(fields: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, str]]:
    for name, field in fields.items():
        if "properties" in field:
            yield from mapped(field["properties"], f"{under}{name}.")
        else:
            yield f"{under}{name}", field["type"]
            yield from mapped(field.get("fields", {}), f"{under}{name}.")


def written(source: Any, under: str = "") -> Iterator[str]:
    """Names of the fields in a document, as OpenSearch would see them."""
    if isinstance(source, list) and source and isinstance(source[0], dict):
        source = source[0]
    if not isinstance(source, dict) or set(source) in ({"lon", "lat"}, {"type", "coordinates"}):
        yield under[:-1]
        return
    for name, value in source.items():
        yield from written(value, f"{under}{name}.")


def without_subfields(fields: Mapping[str, Any]) -> set[str]:
    return {name for name, _ in mapped(fields) if name.rpartition(".")[2] not in ("text", "pieces")}


FULL_ENTRY: LedgerEntry = entry(error_code=ErrorCode.UNREADABLE, error="why", live_content="c" * 32)


def test_the_images_mapping_has_exactly_the_fields_of_a_full_entry():
    assert without_subfields(IMAGE_FIELDS) == set(written(FULL_ENTRY.to_source()))


def test_the_labels_mapping_has_exactly_the_fields_of_a_full_label():
    assert without_subfields(LABEL_FIELDS) == set(written(label().to_source()))


@pytest.mark.parametrize(("heading", "fields"), [("## Images", IMAGE_FIELDS), ("## Labels", LABEL_FIELDS)])
def test_the_documentation_lists_every_field_with_its_type_in_the_order_of_the_mapping(heading, fields):
    section = DOCS.read_text(encoding="utf-8").partition(heading)[2].partition("\n## ")[0]
    assert ROW.findall(section) == list(mapped(fields))


@pytest.mark.parametrize("fields", [IMAGE_FIELDS, LABEL_FIELDS])
def test_fields_that_are_not_named_are_refused(fields):
    assert index_body(fields, alias="a")["mappings"]["dynamic"] == "strict"


def test_the_aliases_carry_no_version_and_the_indices_do():
    names = IndexNames()
    assert (names.images, names.behind(names.images)) == ("imagery-images", "imagery-images-v1")
    assert (names.labels, names.behind(names.labels)) == ("imagery-labels", "imagery-labels-v1")


def test_an_index_says_what_is_slow_and_so_what_is_logged():
    settings = index_body(LABEL_FIELDS, alias="labels")["settings"]["index"]
    thresholds = {name: limit for name, limit in settings.items() if ".slowlog.threshold." in name}
    assert {name.split(".")[0] for name in thresholds} == {"search", "indexing"}
    assert set(thresholds.values()) == {"5s"}
