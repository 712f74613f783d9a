import json

import pytest

from batch_job.errors import SettingsError, SetUpError
from lambdas.set_up_inventory import handle

PROPERTIES = {
    "ServiceToken": "arn:provider",
    "Bucket": "imagery",
    "Id": "Backfill",
    "DestinationBucketArn": "arn:aws:s3:::reports",
    "DestinationAccountId": "111122223333",
}


class Asked:
    def __init__(self):
        self.asked = []

    def put(self, wanted, *, before):
        self.asked.append(("put", wanted.physical_id, before.get("Id")))

    def delete(self, physical_id, properties):
        self.asked.append(("delete", physical_id, properties["Id"]))


def event(kind, **more):
    return {"RequestType": kind, "ResourceProperties": PROPERTIES, **more}


def test_creation_puts_and_names_the_resource_by_bucket_and_id():
    set_up = Asked()
    assert handle(event("Create"), set_up) == {"PhysicalResourceId": "imagery/Backfill"}
    assert set_up.asked == [("put", "imagery/Backfill", None)]


def test_an_update_of_anything_else_keeps_the_name():
    set_up = Asked()
    old = PROPERTIES | {"Prefix": "other"}
    answer = handle(event("Update", PhysicalResourceId="imagery/Backfill", OldResourceProperties=old), set_up)
    assert answer == {"PhysicalResourceId": "imagery/Backfill"}


@pytest.mark.parametrize("other", [{"Bucket": "earlier"}, {"Id": "Earlier"}])
def test_another_bucket_or_id_is_another_resource_and_the_old_one_is_what_goes(other):
    """As CloudFormation does: the update gives a new name, then the old name is to be deleted."""
    set_up, old = Asked(), PROPERTIES | other
    old_name = f"{old['Bucket']}/{old['Id']}"
    answer = handle(event("Update", PhysicalResourceId=old_name, OldResourceProperties=old), set_up)
    assert answer["PhysicalResourceId"] == "imagery/Backfill"
    gone = handle(event("Delete", PhysicalResourceId=old_name) | {"ResourceProperties": old}, set_up)
    assert gone == {"PhysicalResourceId": old_name}
    assert set_up.asked == [("put", "imagery/Backfill", old["Id"]), ("delete", old_name, old["Id"])]


def test_wrong_properties_fail_before_anything_is_done():
    set_up = Asked()
    with pytest.raises(SettingsError, match="Bucket"):
        handle(event("Create", ResourceProperties={**PROPERTIES, "Bucket": "NONE"}), set_up)
    assert set_up.asked == []


def test_failures_fail_the_deployment():
    class Full:
        def put(self, wanted, *, before):
            raise SetUpError("1,000")

    with pytest.raises(SetUpError, match="1,000"):
        handle(event("Create"), Full())


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_what_is_put_begins_the_metric_that_the_alarm_waits_for(kind):
    lines = []
    handle(event(kind, PhysicalResourceId="imagery/Backfill"), Asked(), write=lines.append)
    [line] = map(json.loads, lines)
    assert (line["Inventories"], line["stack"], line["lane"]) == (0, "Backfill", "backfill")
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "ImageryBackfill"


def test_what_is_taken_away_and_what_fails_begins_nothing():
    class Refused(Asked):
        def put(self, wanted, *, before):
            raise SetUpError("no")

    lines = []
    handle(event("Delete", PhysicalResourceId="imagery/Backfill"), Asked(), write=lines.append)
    with pytest.raises(SetUpError):
        handle(event("Create"), Refused(), write=lines.append)
    assert lines == []
