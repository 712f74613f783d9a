import contextlib
import json

import boto3
import pytest
from botocore.exceptions import ClientError

from local.emulator import KEY, PROJECT_VARIABLE, REGION, emulator
from local.servers import Servers

pytestmark = pytest.mark.server

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}],
}
WRITES = "import boto3, sys; boto3.client('s3').put_object(Bucket=sys.argv[1], Key='k', Body=b'')"
BATCH = f"arn:aws:batch:{REGION}:000000000000"


class Account:
    """Clients of an emulator: of the root user, and of roles made with a policy."""

    def __init__(self, url, folder, opened):
        self.url, self.folder, self.opened = url, folder, opened

    def client(self, service, **keys):
        given = keys or {"aws_access_key_id": KEY, "aws_secret_access_key": KEY}
        return self.opened.enter_context(
            contextlib.closing(boto3.client(service, endpoint_url=self.url, region_name=REGION, **given))
        )

    def role(self, name, *grants):
        """Make a role that may do these (action, resource) pairs."""
        iam = self.client("iam")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in grants]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
        return arn

    def acting_as(self, arn, service):
        given = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
        return self.client(
            service,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )

    def denials(self):
        return self.lines("denials.ndjson")

    def allowed(self):
        return self.lines("allowed.ndjson")

    def lines(self, name):
        file = self.folder / "emulator" / name
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """Starts an emulator that enforces permissions."""
    with contextlib.ExitStack() as opened:

        def account(**variables):
            folder = tmp_path_factory.mktemp("auth")
            (folder / "Dockerfile").write_text('FROM base\nENTRYPOINT ["python", "-c"]\n')
            recipe = emulator({PROJECT_VARIABLE: str(folder), "AUTH": "true", **variables})
            url = opened.enter_context(Servers((recipe,), folder / "state")).url(recipe)
            return Account(url, folder / "state", opened)

        yield account


@pytest.fixture(scope="module")
def account(serving):
    made = serving(EMULATOR_NOTE_ALLOWED="true")
    batch = made.client("batch")
    environment = {"type": "FARGATE", "maxvCpus": 1, "subnets": ["s"], "securityGroupIds": ["g"]}
    batch.create_compute_environment(computeEnvironmentName="e", type="MANAGED", computeResources=environment)
    batch.create_job_queue(
        jobQueueName="q", priority=1, computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "e"}]
    )
    role = made.role("job", ("s3:PutObject", "arn:aws:s3:::granted/*"))
    container = {"image": "i", "command": [WRITES, "Ref::bucket"], "jobRoleArn": role}
    batch.register_job_definition(jobDefinitionName="d", type="container", containerProperties=container)
    for name in ("granted", "foreign"):
        made.client("s3").create_bucket(Bucket=name)
    return made


def submit(batch, bucket="granted"):
    return batch.submit_job(jobName="j", jobQueue="q", jobDefinition="d:1", parameters={"bucket": bucket})["jobId"]


@pytest.mark.parametrize(("bucket", "status"), [("granted", "SUCCEEDED"), ("foreign", "FAILED")])
def test_a_job_may_do_what_its_role_may_and_no_more(account, until, bucket, status):
    batch = account.client("batch")
    job_id = submit(batch, bucket)
    until(lambda: batch.describe_jobs(jobs=[job_id])["jobs"][0]["status"] in ("SUCCEEDED", "FAILED"))
    assert batch.describe_jobs(jobs=[job_id])["jobs"][0]["status"] == status
    if status == "FAILED":
        (denial,) = [one for one in account.denials() if "/job/" in one["principal"]]
        assert (denial["action"], denial["resource"]) == ("s3:PutObject", "arn:aws:s3:::foreign/k")


@pytest.mark.parametrize("missing", ["job-queue/q", "job-definition/d:1"])
def test_a_submission_needs_both_the_queue_and_the_definition(account, missing):
    (granted,) = {"job-queue/q", "job-definition/d:1"} - {missing}
    arn = account.role(f"half-{granted[4]}", ("batch:SubmitJob", f"{BATCH}:{granted}"))
    with pytest.raises(ClientError, match="AccessDenied"):
        submit(account.acting_as(arn, "batch"))
    assert account.denials()[-1]["resource"] == f"{BATCH}:{missing}"


def test_a_submission_with_both_grants_is_taken(account):
    resources = [f"{BATCH}:job-queue/q", f"{BATCH}:job-definition/d:1"]
    assert submit(account.acting_as(account.role("both", ("batch:SubmitJob", resources)), "batch"))


def test_messages_in_batches_need_what_one_message_needs(account):
    url = account.client("sqs").create_queue(QueueName="messages")["QueueUrl"]
    arn = account.role("sending", ("sqs:SendMessage", f"arn:aws:sqs:{REGION}:000000000000:messages"))
    sent = account.acting_as(arn, "sqs").send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "m"}])
    assert len(sent["Successful"]) == 1
    with pytest.raises(ClientError, match="AccessDenied"):
        account.acting_as(account.role("mute"), "sqs").send_message_batch(
            QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "m"}]
        )
    assert account.denials()[-1]["action"] == "sqs:SendMessage"


def test_roles_that_deploy_are_not_held_up(account):
    deploying = account.acting_as(account.role("cdk-publishing"), "s3")
    deploying.put_object(Bucket="granted", Key="asset", Body=b"")


def test_loopback_counts_as_tls(account):
    s3 = account.client("s3")
    s3.create_bucket(Bucket="tls")
    refusing = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::tls/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket="tls", Policy=json.dumps({"Version": "2012-10-17", "Statement": [refusing]}))
    arn = account.role("plain", ("s3:PutObject", "arn:aws:s3:::tls/*"))
    account.acting_as(arn, "s3").put_object(Bucket="tls", Key="k", Body=b"")


def test_an_audit_lets_pass_and_lists_what_is_missing(serving):
    audited = serving(EMULATOR_AUDIT="true")
    audited.client("s3").create_bucket(Bucket="bucket")
    audited.acting_as(audited.role("nothing"), "s3").put_object(Bucket="bucket", Key="k", Body=b"")
    assert [(one["action"], one["resource"]) for one in audited.denials()] == [
        ("s3:PutObject", "arn:aws:s3:::bucket/k")
    ]


def test_what_a_role_was_allowed_is_noted_when_asked_for(account):
    arn = account.role("noted", ("s3:PutObject", "arn:aws:s3:::granted/*"))
    account.acting_as(arn, "s3").put_object(Bucket="granted", Key="noted", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        account.acting_as(arn, "s3").put_object(Bucket="foreign", Key="noted", Body=b"")
    noted = [one for one in account.allowed() if "/noted/" in one["principal"]]
    assert [(one["action"], one["resource"]) for one in noted] == [("s3:PutObject", "arn:aws:s3:::granted/noted")]


@pytest.mark.parametrize(("grants", "code"), [((), "AccessDenied"), (("s3:ListBucket",), "NoSuchKey")])
def test_only_who_may_list_a_bucket_is_told_that_a_key_is_missing(account, grants, code):
    listing = ((grant, "arn:aws:s3:::granted") for grant in grants)
    arn = account.role(f"reader-{code}", ("s3:GetObject", "arn:aws:s3:::granted/*"), *listing)
    with pytest.raises(ClientError, match=code):
        account.acting_as(arn, "s3").get_object(Bucket="granted", Key="missing")


@pytest.mark.parametrize("is_granted", [True, False])
def test_changing_an_event_source_needs_its_grant(account, is_granted):
    functions = account.client("lambda")
    arn = f"arn:aws:lambda:{REGION}:000000000000:event-source-mapping:*"
    role = account.role(f"steering-{is_granted}", *([("lambda:UpdateEventSourceMapping", arn)] if is_granted else ()))
    # there is none of this name: who may look is told so
    expected = functions.exceptions.ResourceNotFoundException if is_granted else ClientError
    with pytest.raises(expected) as refused:
        account.acting_as(role, "lambda").update_event_source_mapping(UUID="0" * 36, Enabled=False)
    assert ("AccessDenied" in str(refused.value)) is not is_granted
