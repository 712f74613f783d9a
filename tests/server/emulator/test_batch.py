import json
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.server.emulator.conftest import MAX_PROCESSES

pytestmark = pytest.mark.server


def is_alive(pid):
    """A zombie is dead, and waits for whoever adopted it."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def attempts(job):
    return [one["container"].get("exitCode") for one in job["attempts"]]


def test_a_job_runs_with_its_variables_in_a_folder_of_its_own(submit, ended, output):
    job = ended(submit(parameters={"word": "from the request"}))
    assert job["status"] == "SUCCEEDED"
    assert attempts(job) == [0]
    told = json.loads(output(job)[0])
    assert told["words"] == ["from the request"]
    assert (told["OWN"], told["GIVEN"]) == ("definition", "by the starter")
    assert (told["AWS_BATCH_JOB_ID"], told["AWS_BATCH_JOB_ATTEMPT"]) == (job["jobId"], "1")
    assert told["AWS_BATCH_JQ_NAME"] == job["jobQueue"].rpartition("/")[2]
    assert "AWS_BATCH_JOB_ARRAY_INDEX" not in told
    assert shutil.which("python", path=told["PATH"]) == str(Path(sys.executable).parent / "python")
    assert told["cwd"] == told["TMPDIR"]
    assert not Path(told["cwd"]).exists()


def test_a_request_without_parameters_uses_those_of_the_definition(submit, ended, output):
    assert json.loads(output(ended(submit()))[0])["words"] == ["from the definition"]


def test_the_request_overrides_variables(submit, ended, output):
    overrides = {"command": ["tell"], "environment": [{"name": "OWN", "value": "request"}]}
    assert json.loads(output(ended(submit(containerOverrides=overrides)))[0])["OWN"] == "request"


def test_an_array_fails_if_a_child_failed_and_counts_its_children(aws, submit, ended):
    job_id = submit("odd", arrayProperties={"size": 6})
    job = ended(job_id)
    assert job["status"] == "FAILED"
    summary = job["arrayProperties"]["statusSummary"]
    assert (summary["SUCCEEDED"], summary["FAILED"], sum(summary.values())) == (3, 3, 6)
    child = ended(f"{job_id}:3")
    assert (child["status"], child["arrayProperties"]["index"], attempts(child)) == ("FAILED", 3, [1])


def test_children_know_their_place(submit, ended, output):
    job_id = submit("tell", arrayProperties={"size": 2})
    assert ended(job_id)["status"] == "SUCCEEDED"
    told = [json.loads(output(ended(f"{job_id}:{index}"))[0]) for index in range(2)]
    assert [one["AWS_BATCH_JOB_ARRAY_INDEX"] for one in told] == ["0", "1"]
    assert [one["AWS_BATCH_JOB_ARRAY_SIZE"] for one in told] == ["2", "2"]


def test_never_more_children_run_than_vcpus_allow(aws, submit, ended):
    job_id = submit("exit", "0", arrayProperties={"size": 12})
    assert ended(job_id)["status"] == "SUCCEEDED"
    children = aws("batch").describe_jobs(jobs=[f"{job_id}:{index}" for index in range(12)])["jobs"]
    spans = [(one["attempts"][0]["startedAt"], one["attempts"][0]["stoppedAt"]) for one in children]
    at_once = [sum(start < moment < stop for start, stop in spans) for moment, _ in spans]
    assert max(at_once) + 1 <= 3


@pytest.mark.parametrize("size", [1, 10_001])
def test_an_array_of_another_size_is_refused(submit, size):
    with pytest.raises(ClientError, match="children"):
        submit("exit", "0", arrayProperties={"size": size})


def test_children_are_listed_in_pages_by_status(aws, submit, ended):
    job_id = submit("exit", "0", arrayProperties={"size": 5})
    ended(job_id)
    pages = (
        aws("batch")
        .get_paginator("list_jobs")
        .paginate(arrayJobId=job_id, jobStatus="SUCCEEDED", PaginationConfig={"PageSize": 2})
    )
    sizes = [[one["arrayProperties"]["index"] for one in page["jobSummaryList"]] for page in pages]
    assert sizes == [[0, 1], [2, 3], [4]]
    assert aws("batch").list_jobs(arrayJobId=job_id)["jobSummaryList"] == []


def test_a_queue_lists_parents_and_not_their_children(aws, stack, submit, ended):
    job_id = submit("exit", "0", arrayProperties={"size": 2})
    ended(job_id)
    pages = aws("batch").get_paginator("list_jobs").paginate(jobQueue=stack["Queue"], jobStatus="SUCCEEDED")
    listed = [one["jobId"] for page in pages for one in page["jobSummaryList"]]
    assert job_id in listed
    assert f"{job_id}:0" not in listed


def test_the_exit_code_of_retry_is_retried_until_it_succeeds(submit, ended):
    job = ended(submit("fail", "until", "3"))
    assert (job["status"], attempts(job)) == ("SUCCEEDED", [75, 75, 0])
    starts = [one["startedAt"] for one in job["attempts"]]
    assert all(before <= after for before, after in pairwise(starts))


def test_attempts_come_to_an_end(submit, ended):
    job = ended(submit("exit", "75"))
    assert (job["status"], attempts(job)) == ("FAILED", [75, 75, 75])


def test_other_exit_codes_are_final(submit, ended):
    job = ended(submit("exit", "78"))
    assert (job["status"], attempts(job)) == ("FAILED", [78])
    assert job["statusReason"] == "Essential container in task exited"


def test_a_code_that_no_rule_names_is_retried(submit, ended):
    rules = [{"onExitCode": "78", "action": "EXIT"}]
    job = ended(submit("exit", "1", retryStrategy={"attempts": 2, "evaluateOnExit": rules}))
    assert attempts(job) == [1, 1]


def test_a_killed_process_counts_as_signal_nine(submit, ended, output, until):
    job_id = submit("sleep")
    ended(job_id, "RUNNING")
    until(lambda: output(ended(job_id, "RUNNING")) != [])
    pid, child = map(int, output(ended(job_id, "RUNNING"))[0].split())
    psutil.Process(pid).kill()
    job = ended(job_id)
    assert (job["status"], attempts(job)) == ("FAILED", [137])
    assert not is_alive(child)


def test_what_a_job_leaves_behind_dies_with_it(submit, ended, output):
    job = ended(submit("leave", "orphan"))
    assert job["status"] == "SUCCEEDED"
    assert not is_alive(int(output(job)[0]))


def test_a_terminated_job_may_clean_up_and_is_not_retried(aws, submit, ended, output, until):
    job_id = submit("on", "term")
    ended(job_id, "RUNNING")
    until(lambda: output(ended(job_id, "RUNNING")) == ["up"])
    aws("batch").terminate_job(jobId=job_id, reason="enough")
    job = ended(job_id)
    assert (job["status"], job["statusReason"], attempts(job)) == ("FAILED", "enough", [75])


def test_a_job_over_its_time_is_ended_and_not_retried(submit, ended):
    job = ended(submit("sleep", timeout={"attemptDurationSeconds": 1}))
    assert (job["status"], attempts(job)) == ("FAILED", [143])
    assert "timeout" in job["statusReason"]


def test_cancelling_an_array_ends_what_waits_and_leaves_what_runs(aws, submit, ended, until):
    job_id = submit("sleep", arrayProperties={"size": 5})

    def running():
        return ended(job_id, "PENDING")["arrayProperties"]["statusSummary"]["RUNNING"]

    until(lambda: running() == 3)
    aws("batch").cancel_job(jobId=job_id, reason="superseded")
    assert ended(f"{job_id}:4")["statusReason"] == "superseded"
    assert running() == 3
    aws("batch").terminate_job(jobId=job_id, reason="enough")
    assert ended(job_id)["arrayProperties"]["statusSummary"]["FAILED"] == 5


def test_a_disabled_queue_refuses_and_holds_back_jobs(aws, stack, submit, ended):
    batch = aws("batch")
    first = submit("sleep", arrayProperties={"size": 4})
    batch.update_job_queue(jobQueue=stack["Queue"], state="DISABLED")
    try:
        with pytest.raises(ClientError, match="disabled"):
            submit("exit", "0")
        batch.terminate_job(jobId=f"{first}:0", reason="enough")
        ended(f"{first}:0")
        assert ended(f"{first}:3", "RUNNABLE")
    finally:
        batch.update_job_queue(jobQueue=stack["Queue"], state="ENABLED")
    ended(f"{first}:3", "RUNNING")
    batch.terminate_job(jobId=first, reason="enough")
    ended(first)


def test_more_vcpus_let_waiting_jobs_start(aws, stack, submit, ended):
    batch = aws("batch")
    job_id = submit("sleep", arrayProperties={"size": 4})
    for index in range(3):
        ended(f"{job_id}:{index}", "RUNNING")
    batch.update_compute_environment(computeEnvironment=stack["Environment"], computeResources={"maxvCpus": 4})
    try:
        assert ended(f"{job_id}:3", "RUNNING")
    finally:
        batch.update_compute_environment(computeEnvironment=stack["Environment"], computeResources={"maxvCpus": 3})
        batch.terminate_job(jobId=job_id, reason="enough")
    ended(job_id)


def test_the_machine_is_spared_however_many_vcpus_there_are(aws, stack, submit, ended):
    batch = aws("batch")
    batch.update_compute_environment(computeEnvironment=stack["Environment"], computeResources={"maxvCpus": 20})
    try:
        job_id = submit("sleep", arrayProperties={"size": 10})
        assert ended(job_id, "PENDING")["arrayProperties"]["statusSummary"]["RUNNABLE"] == 10 - MAX_PROCESSES
    finally:
        batch.update_compute_environment(computeEnvironment=stack["Environment"], computeResources={"maxvCpus": 3})
        batch.terminate_job(jobId=job_id, reason="enough")
    ended(job_id)


def test_a_container_that_cannot_start_says_so_and_frees_its_place(submit, ended):
    variables = [{"name": "NUL", "value": "\0"}]
    job = ended(submit(containerOverrides={"environment": variables}, retryStrategy={"attempts": 2}))
    assert (job["status"], attempts(job)) == ("FAILED", [None, None])
    assert job["attempts"][0]["container"]["reason"].startswith("CannotStartContainerError")
    assert ended(submit("exit", "0", arrayProperties={"size": 4}))["status"] == "SUCCEEDED"


def test_every_change_of_state_is_an_event(aws, stack, submit, ended):
    job_id = submit("exit", "0", name="announced")
    ended(job_id)
    seen: list[str] = []
    while "SUCCEEDED" not in seen:
        found = aws("sqs").receive_message(QueueUrl=stack["News"], MaxNumberOfMessages=10, WaitTimeSeconds=5)
        details = [json.loads(one["Body"])["detail"] for one in found["Messages"]]
        assert {one["jobId"] for one in details} == {job_id}
        seen += [one["status"] for one in details]
    assert seen == ["RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"jobQueue": "none"}, "no job queue"),
        ({"jobDefinition": "none"}, "no active job definition"),
        ({"jobName": "a b"}, "not a job name"),
        ({"dependsOn": [{"jobId": "1"}]}, "no dependsOn"),
        ({"retryStrategy": {"attempts": 11}}, "between 1 and 10"),
    ],
)
def test_wrong_requests_are_refused_as_the_client_s_fault(aws, stack, wrong, message):
    asked = {"jobName": "x", "jobQueue": stack["Queue"], "jobDefinition": stack["Definition"], **wrong}
    with pytest.raises(ClientError, match=message) as refused:
        aws("batch").submit_job(**asked)
    assert refused.value.response["Error"]["Code"] == "ClientException"


def test_ten_thousand_children_are_taken_at_once_and_ended_at_once(aws, submit, ended):
    job_id = submit("sleep", arrayProperties={"size": 10_000})
    aws("batch").terminate_job(jobId=job_id, reason="enough")
    assert ended(job_id)["arrayProperties"]["statusSummary"]["FAILED"] == 10_000
