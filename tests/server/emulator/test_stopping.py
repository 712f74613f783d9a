import urllib.request

import boto3
import psutil
import pytest

from local.emulator import KEY, PROJECT_VARIABLE, REGION, emulator
from local.servers import Servers

pytestmark = pytest.mark.server


@pytest.fixture
def plain(tmp_path):
    """An emulator of its own; jobs are commands as they stand."""
    (tmp_path / "Dockerfile").write_text("FROM base\n")
    return emulator({PROJECT_VARIABLE: str(tmp_path)})


@pytest.fixture
def started():
    """Starts a job that sleeps and has a child that sleeps; gives the processes."""
    clients = []

    def start(url, until):
        keys = {"region_name": REGION, "aws_access_key_id": KEY, "aws_secret_access_key": KEY}
        batch = boto3.client("batch", endpoint_url=url, **keys)
        clients.append(batch)
        environment = {"type": "FARGATE", "maxvCpus": 1, "subnets": ["s"], "securityGroupIds": ["g"]}
        batch.create_compute_environment(computeEnvironmentName="e", type="MANAGED", computeResources=environment)
        order = [{"order": 1, "computeEnvironment": "e"}]
        batch.create_job_queue(jobQueueName="q", priority=1, computeEnvironmentOrder=order)
        container = {"image": "i", "command": ["sh", "-c", "sleep 60 & sleep 61"]}
        batch.register_job_definition(jobDefinitionName="d", type="container", containerProperties=container)
        batch.submit_job(jobName="j", jobQueue="q", jobDefinition="d")
        found = []

        def both_run():
            found[:] = [one for one in psutil.process_iter(["cmdline"]) if is_sleep(one) and is_below(one, url)]
            return len(found) == 2

        until(both_run)
        return found

    yield start
    for one in clients:
        one.close()


def is_sleep(process):
    return process.info["cmdline"] in (["sleep", "60"], ["sleep", "61"])


def is_below(process, url):
    try:
        return process.environ().get("AWS_ENDPOINT_URL") == url
    except psutil.Error:
        return False  # it ended since it was listed


def is_alive(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_when_the_emulator_stops_its_jobs_and_their_children_are_gone(plain, started, tmp_path, until):
    with Servers((plain,), tmp_path / "state") as servers:
        processes = started(servers.url(plain), until)
        assert all(map(is_alive, processes))
    assert not any(map(is_alive, processes))


def test_a_reset_ends_jobs_and_forgets_them(plain, started, tmp_path, until):
    with Servers((plain,), tmp_path / "state") as servers:
        processes = started(servers.url(plain), until)
        reset = urllib.request.Request(f"{servers.url(plain)}/_ministack/reset", method="POST")  # noqa: S310
        with urllib.request.urlopen(reset, timeout=20) as answer:  # noqa: S310
            assert answer.status == 200
        until(lambda: not any(map(is_alive, processes)))
        started(servers.url(plain), until)  # the same names are free again
