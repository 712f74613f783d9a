import re
from pathlib import Path

import pytest

from batch_job.adapters.inventory_config import ReportOrder
from batch_job.errors import AccessError, ConflictError, SettingsError, SetUpError
from batch_job.wiring.set_up_inventory import WAITS_S, InventorySetUp, Wanted

DOCS = Path(__file__).parents[3] / "docs" / "planning.md"
PROPERTIES = {
    "Bucket": "imagery",
    "Id": "Backfill",
    "DestinationBucketArn": "arn:aws:s3:::reports",
    "DestinationAccountId": "111122223333",
}
ORDER = ReportOrder(
    bucket="imagery",
    id="Backfill",
    destination_arn="arn:aws:s3:::reports",
    destination_account="111122223333",
    prefix="inventories",
)


class Bucket:
    """One that does what it is asked, after these errors."""

    def __init__(self, *errors):
        self.errors, self.asked = list(errors), []

    def _take(self, *asked):
        if self.errors:
            raise self.errors.pop(0)
        self.asked.append(asked)
        return True

    def put(self, order, *, also_ours=()):
        self._take(order, also_ours)

    def delete(self, bucket, id_, *, destination_arn):
        return self._take(bucket, id_, destination_arn)


def test_what_the_template_asks_for_is_ordered():
    bucket = Bucket()
    InventorySetUp(bucket).put(Wanted.from_properties(PROPERTIES | {"ServiceToken": "arn"}), before={})
    assert bucket.asked == [(ORDER, ())]


def test_what_delivers_where_the_resource_did_before_is_ours():
    bucket = Bucket()
    before = PROPERTIES | {"DestinationBucketArn": "arn:aws:s3:::earlier"}
    InventorySetUp(bucket).put(Wanted.from_properties(PROPERTIES), before=before)
    assert bucket.asked == [(ORDER, ("arn:aws:s3:::earlier",))]


@pytest.mark.parametrize("error", [AccessError("a policy that is a second old"), ConflictError("OperationAborted")])
def test_what_a_moment_helps_is_waited_for(error):
    bucket, waits = Bucket(error, error), []
    InventorySetUp(bucket, sleep=waits.append).put(Wanted.from_properties(PROPERTIES), before={})
    assert waits == list(WAITS_S[:2])
    assert len(bucket.asked) == 1


def test_a_missing_permission_is_told_in_the_end():
    bucket, waits = Bucket(*[AccessError("needs s3:PutInventoryConfiguration")] * 9), []
    with pytest.raises(AccessError, match="needs"):
        InventorySetUp(bucket, sleep=waits.append).put(Wanted.from_properties(PROPERTIES), before={})
    assert waits == list(WAITS_S)


def test_what_waiting_does_not_help_fails_at_once():
    waits = []
    with pytest.raises(SetUpError, match="1,000"):
        InventorySetUp(Bucket(SetUpError("1,000")), sleep=waits.append).put(
            Wanted.from_properties(PROPERTIES), before={}
        )
    assert waits == []


def test_the_physical_id_says_what_is_deleted():
    bucket = Bucket()
    InventorySetUp(bucket).delete("old.bucket/old_id-1.2", PROPERTIES)
    assert bucket.asked == [("old.bucket", "old_id-1.2", "arn:aws:s3:::reports")]


@pytest.mark.parametrize(
    "physical_id", ["", "imagery", "imagery/", "/Backfill", "a/b/c", "imagery/Back fill", "2026/11/21/[$LATEST]x"]
)
def test_a_physical_id_that_is_none_of_ours_deletes_nothing(physical_id):
    bucket = Bucket()
    InventorySetUp(bucket).delete(physical_id, PROPERTIES)
    assert bucket.asked == []


def test_every_wrong_property_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        Wanted.from_properties({"Bucket": "A", "Id": "a b", "DestinationBucketArn": "reports", "Colour": "red"})
    assert {line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]} == {
        "Bucket",
        "Id",
        "DestinationBucketArn",
        "DestinationAccountId",
        "Colour",
    }


def test_the_documentation_lists_every_property():
    rows = DOCS.read_text(encoding="utf-8").partition("| property |")[2].partition("\n\n")[0].splitlines()
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1] if row.startswith("|") else "")]
    ours = [field.alias for name, field in Wanted.model_fields.items() if not name.startswith("service_")]
    assert told == ours
