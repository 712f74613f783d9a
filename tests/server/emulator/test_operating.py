"""An operator's commands over a stack on the emulator: its buckets, its queues, a job queue whose jobs only wait."""

import copy
import io
import uuid
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from batch_job.adapters.batch_unended import BatchUnendedJobs
from batch_job.adapters.s3_runs import S3RunStore
from batch_job.backfill.inventory import parse_manifest, read_rows
from batch_job.backfill.orders import PAUSE_KEY
from batch_job.backfill.plan import PlanCounts
from batch_job.backfill.records import FilePlan
from batch_job.backfill.shards import RunFolder, activate
from batch_job.cli.commands import commands
from batch_job.errors import AccessError, SetUpError
from batch_job.settings import Output
from batch_job.values.inventory import DataFile, InventoryRow, Manifest, Scope
from batch_job.values.work import ShardDone, ShardRange
from batch_job.wiring.memory_operator import memory_deployment
from local.emulator import KEY, REGION
from tests.server.emulator.conftest import template

pytestmark = pytest.mark.server

STACK = "operated"
KEYS = (
    "a b+c%.tif",
    'quoted "x", y.tif',
    "scenes/é/日本.tif",
    "scenes/new\nline.tif",
    "scenes/notes.txt",
    "k" * 1020 + ".tif",
)
PLAN = "f00000000000-11111111"


def too_large() -> dict[str, Any]:
    """Give a job definition for which the environment has no room, ever."""
    properties = copy.deepcopy(template()["Resources"]["Definition"]["Properties"]["ContainerProperties"])
    properties["ResourceRequirements"] = [{"Type": "VCPU", "Value": "4"}, {"Type": "MEMORY", "Value": "8192"}]
    return properties


@pytest.fixture(scope="module")
def operated(deploy: Callable[..., dict[str, str]]) -> MappingProxyType[str, str]:
    """The outputs of a stack that says where everything is, as a real one does."""
    body = template(ContainerProperties=too_large())
    resources = body["Resources"]
    for name in ("Reports", "Data"):
        resources[name] = {"Type": "AWS::S3::Bucket"}
    for name in ("Budget", "Rule", "News"):
        del resources[name]
    runs = {"Fn::Sub": "s3://${Data}/below"}
    made = {
        **memory_deployment(STACK).to_outputs(),
        Output.IMAGERY_BUCKET: {"Ref": "Bucket"},
        Output.REPORTS_BUCKET: {"Ref": "Reports"},
        Output.RUNS_URI: runs,
        Output.INDEX_URL: "http://127.0.0.1:9",
        Output.PLAN_QUEUE_URL: {"Ref": "Messages"},
        Output.LIVE_QUEUE_URL: {"Ref": "Messages"},
        Output.JOB_QUEUE: {"Ref": "Queue"},
        Output.JOB_DEFINITION: {"Ref": "Definition"},
        Output.OPERATOR_ROLE: {"Fn::GetAtt": ["Role", "Arn"]},
    }
    body["Outputs"] = {str(name): {"Value": value} for name, value in made.items()}
    return MappingProxyType(deploy(STACK, body))


@pytest.fixture
def call(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Calls a command as a person would whose credentials are the emulator's."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    settings = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY}
    for name, value in {**settings, "AWS_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("batch_job.backfill.resuming.HANDED_BACK_S", 0.0)
    monkeypatch.setattr("batch_job.cli.resume.SEEN_S", 0.0)

    def call(*arguments: str, stack: str = STACK) -> Result:
        return CliRunner().invoke(commands, ["--stack", stack, *arguments])

    return call


@pytest.fixture
def runs(aws: Callable[[str], Any], operated: MappingProxyType[str, str]) -> S3RunStore:
    bucket, _, prefix = operated[Output.RUNS_URI].removeprefix("s3://").partition("/")
    return S3RunStore(aws("s3"), bucket=bucket, prefix=prefix)


@pytest.fixture
def imagery(aws: Callable[[str], Any], operated: MappingProxyType[str, str]) -> str:
    bucket = operated[Output.IMAGERY_BUCKET]
    for key in KEYS:
        aws("s3").put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def listing(aws: Callable[[str], Any], bucket: str) -> tuple[Manifest, list[InventoryRow]]:
    """Read, and take away, the only listing among the reports."""
    s3 = aws("s3")

    def body(key: str) -> bytes:
        with s3.get_object(Bucket=bucket, Key=key)["Body"] as stream:
            return stream.read()

    bodies = {one["Key"]: body(one["Key"]) for one in s3.list_objects_v2(Bucket=bucket).get("Contents", ())}
    [key] = [key for key in bodies if key.endswith("/manifest.json")]
    manifest = parse_manifest(bodies[key], checksum=bodies[key.removesuffix("json") + "checksum"])
    rows = [row for file in manifest.files for row in read_rows(io.BytesIO(bodies[file.key]), file, manifest)]
    for key in bodies:
        assert key.startswith("listings/")
        s3.delete_object(Bucket=bucket, Key=key)
    assert all(isinstance(row, InventoryRow) for row in rows)
    return manifest, rows


def test_start_lists_the_bucket_as_s3_would(
    aws: Callable[[str], Any],
    call: Callable[..., Result],
    operated: MappingProxyType[str, str],
    imagery: str,
) -> None:
    done = call("start")
    assert done.exit_code == 0, (done.output, done.exception)
    manifest, rows = listing(aws, operated[Output.REPORTS_BUCKET])
    assert done.stdout == f"{manifest.run_id}\n"
    assert (manifest.source_bucket, manifest.request.scope) == (imagery, Scope.BUCKET)
    told = {row.key: (row.size, row.etag, row.readable) for row in rows}
    heads = {key: aws("s3").head_object(Bucket=imagery, Key=key) for key in KEYS}
    assert told == {key: (len(key.encode()), head["ETag"].strip('"'), True) for key, head in heads.items()}
    assert manifest.created_ms < min(head["LastModified"].timestamp() for head in heads.values()) * 1000 + 60_000


def test_a_prefix_is_listed_alone_and_a_misspelt_one_is_refused(
    aws: Callable[[str], Any],
    call: Callable[..., Result],
    operated: MappingProxyType[str, str],
    imagery: str,
) -> None:
    refused = call("start", "--prefix", "Scenes/")
    assert refused.exit_code == 2
    assert call("start", "--prefix", "scenes/").exit_code == 0
    manifest, rows = listing(aws, operated[Output.REPORTS_BUCKET])
    assert manifest.request.scope is Scope.PART
    assert {row.key for row in rows} == {key for key in KEYS if key.startswith("scenes/")}


def test_a_stack_that_is_not_there_is_told(call: Callable[..., Result]) -> None:
    done = call("pause", stack="nobodys")
    assert isinstance(done.exception, SetUpError)
    assert "nobodys" in str(done.exception)


def test_a_bucket_that_is_denied_is_told_with_what_is_missing(
    aws: Callable[[str], Any],
    call: Callable[..., Result],
    operated: MappingProxyType[str, str],
    monkeypatch: pytest.MonkeyPatch,
    imagery: str,
) -> None:
    from botocore.exceptions import ClientError

    def denied(*_args: object, **_facts: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2")

    monkeypatch.setattr("botocore.paginate.PageIterator._make_request", denied)
    done = call("start")
    assert isinstance(done.exception, AccessError)
    assert "s3:ListBucket" in str(done.exception)


@pytest.fixture
def folder(runs: S3RunStore, imagery: str) -> RunFolder:
    """A run of five shards, of which the second is done; nothing was submitted."""
    file = DataFile("inventories/data.csv.gz", 1, "0" * 32)
    manifest = Manifest(
        source_bucket=imagery,
        destination_bucket="reports",
        created_ms=1_795_136_400_000,
        columns=("Bucket", "Key"),
        files=(file,),
        md5=uuid.uuid4().hex,
    )
    made = RunFolder(runs, manifest.run_id)
    made.write_manifest(manifest)
    runs.put(f"runs/{manifest.run_id}/keys/{file.id}", b"of the sweep")
    claim = made.claim(file.id, owner="test", now_ms=0)
    assert not isinstance(claim, FilePlan)
    counts = PlanCounts(new=5, items=5, chips=5)
    made.complete(claim, FilePlan(name=PLAN, shards=5, counts=counts, jobs=()))
    made.write_done(ShardDone(name=ShardRange(manifest.run_id, PLAN, first=0, count=5).name(1)))
    runs.delete(f"active/{imagery}")
    activate(runs, manifest.run_id, bucket=imagery)
    return made


def test_a_pause_is_ended_and_what_it_left_is_submitted_once(
    aws: Callable[[str], Any],
    call: Callable[..., Result],
    operated: MappingProxyType[str, str],
    runs: S3RunStore,
    folder: RunFolder,
) -> None:
    for _ in range(2):
        assert "the backfill" in call("pause").output
    assert orjson.loads(runs.get(PAUSE_KEY) or b"") == {"live": False}
    queue = BatchUnendedJobs(aws("batch"), queue=operated[Output.JOB_QUEUE])
    assert list(queue.unended()) == []
    done = call("resume")
    assert done.exit_code == 0, (done.output, done.exception)
    assert f"run {folder.run_id}: 4 shards submitted, the sweep submitted" in done.output
    assert runs.get(PAUSE_KEY) is None
    jobs = {job.parameters["what"]: job for job in queue.unended()}
    assert {what: job.waiting for what, job in jobs.items()} == {
        f"{folder.run_id}/{PLAN}/0/1": {0},
        f"{folder.run_id}/{PLAN}/2/3": {0, 1, 2},
        folder.run_id: {0},
    }
    assert sorted(folder.noted_jobs()) == sorted(job.id for job in jobs.values())
    again = call("resume")
    assert f"run {folder.run_id}: 0 shards submitted, 4 wait or are worked on already" in again.output
    assert len(list(queue.unended())) == 3
    for job in jobs.values():
        aws("batch").terminate_job(jobId=job.id, reason="test")


def test_children_of_an_array_are_told_apart(
    aws: Callable[[str], Any],
    stack: MappingProxyType[str, str],
    submit: Callable[..., str],
    ended: Callable[..., dict[str, Any]],
) -> None:
    """With room for three of four children that sleep."""
    job_id = submit("sleep", name="four", arrayProperties={"size": 4})
    try:
        ended(f"{job_id}:2", "RUNNING")
        [job] = BatchUnendedJobs(aws("batch"), queue=stack["Queue"]).unended()
        assert (job.id, len(job.working), len(job.waiting)) == (job_id, 3, 1)
        assert job.working | job.waiting == {0, 1, 2, 3}
    finally:
        aws("batch").terminate_job(jobId=job_id, reason="test")
    ended(job_id)


def test_resume_opens_a_door_that_shut_itself(
    aws: Callable[[str], Any],
    call: Callable[..., Result],
    until: Callable[[Callable[[], bool]], None],
    operated: MappingProxyType[str, str],
    folder: RunFolder,
) -> None:
    functions, sqs = aws("lambda"), aws("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=operated[Output.LIVE_QUEUE_URL], AttributeNames=["QueueArn"])
    arn = attributes["Attributes"]["QueueArn"]

    def state() -> str:
        return str(functions.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"][0]["State"])

    mapping = functions.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"][0]["UUID"]
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    until(lambda: state() == "Disabled")
    assert "paused: the backfill and live events" in call("pause", "--all").output
    done = call("resume")
    assert "queue come again" in done.output, (done.output, done.exception)
    until(lambda: state() == "Enabled")
    for job in BatchUnendedJobs(aws("batch"), queue=operated[Output.JOB_QUEUE]).unended():
        aws("batch").terminate_job(jobId=job.id, reason="test")
