import pytest

from local.emulation.book import JobBook
from local.emulation.jobs import EXITED, Action, Attempt, ExitRule, Job, Plan, Status, is_retried

PLAN = Plan(command=(), environment={}, vcpus=1, attempts=3, log_group="g", log_prefix="p")


def attempt(code=1, reason=""):
    return Attempt(exit_code=code, status_reason=EXITED, reason=reason, log_stream="s", started_ms=1, stopped_ms=2)


def plan(*rules, attempts=3):
    return Plan(command=(), environment={}, vcpus=1, attempts=attempts, rules=rules, log_group="g", log_prefix="p")


def retry(**patterns):
    return ExitRule(action=Action.RETRY, **patterns)


def leave(**patterns):
    return ExitRule(action=Action.EXIT, **patterns)


@pytest.mark.parametrize(
    ("rules", "retried"),
    [
        ((), True),
        ((leave(on_exit_code="1"), retry()), False),
        ((retry(on_exit_code="1"), leave()), True),
        ((leave(on_exit_code="2"),), True),
        ((leave(on_exit_code="1*"),), False),
        ((leave(on_exit_code="1", on_status_reason="Host EC2*"),), True),
        ((leave(on_status_reason="Essential*"),), False),
    ],
)
def test_the_first_rule_that_matches_decides_and_none_means_retry(rules, retried):
    assert is_retried(plan(*rules), (attempt(),)) is retried


def test_a_container_that_never_started_matches_by_its_reason_only():
    never = attempt(code=None, reason="CannotStartContainerError: none")
    assert not is_retried(plan(leave(on_reason="CannotStart*")), (never,))
    assert is_retried(plan(leave(on_exit_code="1")), (never,))


def test_after_the_last_attempt_nothing_is_retried():
    assert is_retried(plan(retry(), attempts=2), (attempt(),))
    assert not is_retried(plan(retry(), attempts=2), (attempt(), attempt()))


def job(job_id, **more):
    given = {"arn": job_id, "name": "n", "queue_arn": "q", "definition_arn": "d", "created_ms": 1, "plan": PLAN}
    return Job(job_id=job_id, **given, **more)


def array(size):
    book = JobBook()
    book.add(job("p", array_size=size), (job(f"p:{n}", parent_id="p", index=n) for n in range(size)))
    return book


def test_an_array_ends_with_its_last_child():
    book = array(2)
    assert [one.job_id for one in book.change("p:0", status=Status.SUCCEEDED)] == ["p:0"]
    changed = book.change("p:1", status=Status.SUCCEEDED, stopped_ms=9)
    assert [(one.job_id, one.status) for one in changed] == [("p:1", Status.SUCCEEDED), ("p", Status.SUCCEEDED)]
    assert book.get("p").stopped_ms == 9


def test_one_failed_child_fails_the_array():
    book = array(2)
    book.change("p:0", status=Status.FAILED)
    book.change("p:1", status=Status.SUCCEEDED)
    assert book.get("p").status is Status.FAILED
    assert book.summary("p")["FAILED"] == 1


def test_a_change_of_other_fields_is_no_change_of_status():
    assert array(2).change("p:0", started_ms=5) == ()


def test_children_are_not_listed_among_jobs():
    assert [one.job_id for one in array(3)] == ["p"]
