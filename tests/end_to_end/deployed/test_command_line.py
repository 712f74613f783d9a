"""The CDK's own command line: what is deployed does not differ, and what is destroyed leaves what it was told to."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch_job.errors import SetUpError
from local.deploying import NODE_MODULES, Cdk
from tests.end_to_end.deployed.site import Site
from tests.end_to_end.deployed.stack import BUCKET, Stack

HELPERS = ("BucketNotificationsHandler", "CustomS3AutoDeleteObjects")
"""The CDK's own functions, whose log groups Lambda makes, and nobody deletes."""
LISTS = {
    "alarm": ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "bucket": ("s3", "list_buckets", "Buckets", "Name"),
    "compute environment": ("batch", "describe_compute_environments", "computeEnvironments", "computeEnvironmentName"),
    "domain": ("opensearch", "list_domain_names", "DomainNames", "DomainName"),
    "function": ("lambda", "list_functions", "Functions", "FunctionName"),
    "job queue": ("batch", "describe_job_queues", "jobQueues", "jobQueueName"),
    "log group": ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "mapping": ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    "network": ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    "queue": ("sqs", "list_queues", "QueueUrls", None),
    "role": ("iam", "list_roles", "Roles", "RoleName"),
    "rule": ("events", "list_rules", "Rules", "Name"),
    "table": ("dynamodb", "list_tables", "TableNames", None),
    "topic": ("sns", "list_topics", "Topics", "TopicArn"),
    "user pool": ("cognito-idp", "list_user_pools", "UserPools", "Id"),
    "identity pool": ("cognito-identity", "list_identity_pools", "IdentityPools", "IdentityPoolId"),
}
PAGES = {"list_user_pools": {"MaxResults": 50}, "list_identity_pools": {"MaxResults": 50}}


def standing(site: Site) -> set[tuple[str, str]]:
    """Kind and name of whatever stands in the account."""
    found = set()
    for kind, (service, operation, members, name) in LISTS.items():
        answer = getattr(site.client(service), operation)(**PAGES.get(operation, {}))
        found |= {(kind, one[name] if name else one) for one in answer.get(members, ())}
    return found


def imagery(site: Site) -> dict[str, str]:
    return {one["Key"]: one["ETag"] for one in site.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]}


@pytest.fixture
def cdk(here: Site, synthesis: Callable[..., Path], tmp_path: Path) -> Callable[..., Cdk]:
    """Gives a command line beside an empty bucket, in an account that was bootstrapped."""
    if not NODE_MODULES.exists():
        pytest.skip("the CDK's command line is not installed: make node_modules/.complete")

    def begin(**settings: Any) -> Cdk:
        here.clear()
        made = Cdk(folder=tmp_path, settings={})
        shutil.copytree(synthesis(**settings), made.assembly)
        made.bootstrap(here.endpoint)
        return made

    return begin


def lived_with(site: Site, cdk: Cdk) -> Stack:
    """Deploy, and have an image indexed."""
    stack = Stack(site, cdk.deploy(site.endpoint))
    stack.put("a.tif", 100)
    stack.settled()
    stack.assert_in_line()
    stack.close()
    return stack


def test_what_is_deployed_does_not_differ_and_a_stack_that_goes_leaves_what_was_paid_for(
    here: Site, cdk: Callable[..., Cdk]
):
    line = cdk()
    with pytest.raises(SetUpError):
        line.check_nothing_differs(here.endpoint)  # nothing is deployed yet
    before = standing(here)
    stack = lived_with(here, line)
    line.check_nothing_differs(here.endpoint)
    there = imagery(here)
    line.destroy(here.endpoint)
    left = Counter(kind for kind, name in standing(here) - before if not _is_of_helpers(name))
    assert left == {"bucket": 2, "table": 1, "domain": 1, "user pool": 1, "identity pool": 1, "log group": 12}
    assert imagery(here) == there
    assert "InventoryConfigurationList" not in stack.s3.list_bucket_inventory_configurations(Bucket=BUCKET)
    archive = stack.outputs["ArchiveUri"].removeprefix("s3://")
    assert stack.s3.list_objects_v2(Bucket=archive, Prefix="answers/")["KeyCount"]
    assert stack.lefts("a.tif") == (100,)


def test_a_stack_that_is_to_leave_nothing_leaves_the_imagery_alone(
    here: Site, cdk: Callable[..., Cdk], monkeypatch: pytest.MonkeyPatch
):
    modules = Path(os.environ.get("NODE_PATH", ""), "@aws-sdk", "client-s3")
    if not modules.exists():
        pytest.skip("the CDK empties buckets by a function that needs @aws-sdk/client-s3, which is not in NODE_PATH")
    line = cdk(removal="destroy")
    before = standing(here)
    lived_with(here, line)
    there = imagery(here)
    line.destroy(here.endpoint)
    assert {one for one in standing(here) - before if not _is_of_helpers(one[1])} == set()
    assert imagery(here) == there


def _is_of_helpers(name: str) -> bool:
    return any(helper in name for helper in HELPERS)
