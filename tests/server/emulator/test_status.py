"""``status`` over a stack on the emulator: what its queues, its Batch and its buckets say."""

import copy
import json
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from batch_job.adapters.s3_runs import S3RunStore
from batch_job.backfill.plan import PlanCounts
from batch_job.backfill.records import Claim, FilePlan
from batch_job.backfill.shards import RunFolder, activate
from batch_job.cli.commands import commands
from batch_job.settings import Output
from batch_job.values.inventory import DataFile, Manifest
from batch_job.values.work import ShardDone
from batch_job.wiring.memory_operator import memory_deployment
from local.emulator import KEY, REGION
from tests.server.emulator.conftest import template

pytestmark = pytest.mark.server

STACK = "watched"
COUNTS = PlanCounts(new=3, changed=1, done=5, items=4, chips=9)
QUEUES = (Output.PLAN_QUEUE_URL, Output.PLAN_DEAD_LETTERS_URL, Output.LIVE_QUEUE_URL, Output.LIVE_DEAD_LETTERS_URL)


def body() -> dict[str, Any]:
    """A stack with queues that nobody works on, and jobs for which there is no room, ever."""
    made = template()
    own = copy.deepcopy({name: made["Resources"][name] for name in ("Role", "Environment", "Queue", "Definition")})
    container = own["Definition"]["Properties"]["ContainerProperties"]
    container["ResourceRequirements"] = [{"Type": "VCPU", "Value": "4"}, {"Type": "MEMORY", "Value": "8192"}]
    own |= {str(queue): {"Type": "AWS::SQS::Queue"} for queue in QUEUES} | {"Data": {"Type": "AWS::S3::Bucket"}}
    values: dict[str, Any] = {
        **memory_deployment(STACK).to_outputs(),
        **{str(queue): {"Ref": str(queue)} for queue in QUEUES},
        Output.IMAGERY_BUCKET: "imagery",
        Output.RUNS_URI: {"Fn::Sub": "s3://${Data}/below"},
        Output.INDEX_URL: "http://127.0.0.1:9",
        Output.JOB_QUEUE: {"Ref": "Queue"},
        Output.JOB_DEFINITION: {"Ref": "Definition"},
        Output.LIVE_JOB_QUEUE: "nowhere",
        Output.OPERATOR_ROLE: {"Fn::GetAtt": ["Role", "Arn"]},
    }
    return {"Resources": own, "Outputs": {str(name): {"Value": value} for name, value in values.items()}}


@pytest.fixture(scope="module")
def watched(deploy: Callable[..., dict[str, str]]) -> MappingProxyType[str, str]:
    """The stack's outputs."""
    return MappingProxyType(deploy(STACK, body()))


@pytest.fixture
def status(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Calls the command as a person would whose credentials are the emulator's."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    settings = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY}
    for name, value in {**settings, "AWS_REGION": REGION, "BACKFILL_STACK": STACK}.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(commands, ["status", *arguments], standalone_mode=False)


@pytest.fixture
def folder(aws: Callable[[str], Any], watched: MappingProxyType[str, str]) -> RunFolder:
    """The bucket's active run: one CSV, two shards."""
    bucket, _, prefix = watched[Output.RUNS_URI].removeprefix("s3://").partition("/")
    runs = S3RunStore(aws("s3"), bucket=bucket, prefix=prefix)
    file = DataFile(key="1.csv.gz", size=1, md5="0" * 32)
    manifest = Manifest(
        source_bucket="imagery",
        destination_bucket="reports",
        created_ms=1_795_136_400_000,
        columns=("Bucket", "Key"),
        files=(file,),
        md5="0" * 32,
    )
    made = RunFolder(runs, manifest.run_id)
    made.write_manifest(manifest)
    activate(runs, manifest.run_id, bucket="imagery")
    claim = made.claim(file.id, owner="me", now_ms=0)
    if isinstance(claim, Claim):
        made.complete(claim, FilePlan(name="f", shards=2, counts=COUNTS, jobs=()))
    return made


def test_all_that_a_stack_says_of_itself_is_told(
    aws: Callable[[str], Any],
    status: Callable[..., Result],
    watched: MappingProxyType[str, str],
    folder: RunFolder,
    until: Callable[[Callable[[], bool]], None],
) -> None:
    for text in ("one", "two"):
        aws("sqs").send_message(QueueUrl=watched[Output.PLAN_DEAD_LETTERS_URL], MessageBody=text)
    job = {"jobQueue": watched[Output.JOB_QUEUE], "jobDefinition": watched[Output.JOB_DEFINITION]}
    submit = aws("batch").submit_job
    ids = [submit(jobName="one", **job)["jobId"], submit(jobName="all", arrayProperties={"size": 5}, **job)["jobId"]]
    folder.write_done(ShardDone(name="f-000000", images={"indexed": 2, "failed": 1}, calls=6, duration_ms=2000))

    def told() -> dict[str, Any]:
        return json.loads(status("--json").stdout)

    until(lambda: told()["jobs"]["backfill"]["runnable"] == 6)
    found = told()
    assert found["stack"] == STACK
    assert found["messages"]["plan_dead_letters"] == {"waiting": 2, "in_flight": 0, "delayed": 0}
    assert {name: n for name, n in found["jobs"]["backfill"].items() if n} == {
        "runnable": 6,
        "oldest": found["jobs"]["backfill"]["oldest"],
    }
    run = found["run"]
    assert (run["run_id"], run["shards"]) == (folder.run_id, {"total": 2, "done": 1})
    assert (run["images"]["done"], run["images"]["failed"], run["images"]["left"]) == (2, 1, 1)
    assert run["pace"]["shards"] == 1
    assert 0 < run["pace"]["calls_per_s"] <= 3
    assert run["last_shard_ended"] <= found["at"]
    assert {one["what"] for one in found["concerns"]} >= {"dead_letters", "unknown"}
    for job_id in ids:
        aws("batch").terminate_job(jobId=job_id, reason="the test is over")


def test_what_cannot_be_asked_is_named_and_the_rest_is_shown(
    status: Callable[..., Result], watched: MappingProxyType[str, str], folder: RunFolder
) -> None:
    done = status()
    assert done.return_value == 75
    text = " ".join(done.stdout.split())
    assert "! failed_images is not known: counting failures in imagery-images: OpenSearch does not answer" in text
    assert "! jobs.live is not known: listing jobs of nowhere" in text
    assert "Live jobs not known" in text
    assert f"Run {folder.run_id}" in text
