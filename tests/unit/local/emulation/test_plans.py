import pytest

from local.emulation.faults import RefusedError
from local.emulation.jobs import Action, ExitRule
from local.emulation.plans import make_plan


def definition(**container):
    return {"jobDefinitionName": "d", "containerProperties": {"image": "i", **container}}


def test_little_is_said_and_the_service_s_defaults_hold():
    plan = make_plan(definition(), {})
    assert (plan.command, plan.attempts, plan.rules, plan.timeout_s, plan.vcpus) == ((), 1, (), None, 1)
    assert (plan.log_group, plan.log_prefix) == ("/aws/batch/job", "d")


def test_references_are_replaced_as_whole_words_and_unknown_ones_stay():
    command = ["Ref::a", "Ref::b", "xRef::a", "Ref::none"]
    made = {**definition(command=command), "parameters": {"a": "1", "b": "2"}}
    assert make_plan(made, {"parameters": {"b": "3"}}).command == ("1", "3", "xRef::a", "Ref::none")


def test_variables_are_texts_and_the_request_s_win():
    given = definition(environment=[{"name": "A", "value": 5}, {"name": "B", "value": "b"}])
    overrides = {"environment": [{"name": "B", "value": "c"}]}
    assert make_plan(given, {"containerOverrides": overrides}).environment == {"A": "5", "B": "c"}


def test_resources_are_overridden_by_kind():
    given = definition(resourceRequirements=[{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}])
    overrides = {"resourceRequirements": [{"type": "VCPU", "value": "0.5"}]}
    plan = make_plan(given, {"containerOverrides": overrides})
    assert plan.vcpus == 0.5
    assert {"type": "MEMORY", "value": "2048"} in plan.described["container"]["resourceRequirements"]


def test_the_request_s_retries_and_time_limit_win():
    made = {**definition(), "retryStrategy": {"attempts": 3}, "timeout": {"attemptDurationSeconds": 60}}
    rules = [{"onExitCode": "75", "action": "RETRY"}]
    asked = {"retryStrategy": {"attempts": 2, "evaluateOnExit": rules}, "timeout": {"attemptDurationSeconds": 90}}
    plan = make_plan(made, asked)
    assert (plan.attempts, plan.timeout_s) == (2, 90)
    assert plan.rules == (ExitRule(action=Action.RETRY, on_exit_code="75"),)


@pytest.mark.parametrize("attempts", [0, 11])
def test_attempts_out_of_bounds_are_refused(attempts):
    with pytest.raises(RefusedError, match="between 1 and 10"):
        make_plan(definition(), {"retryStrategy": {"attempts": attempts}})


def test_another_action_than_retry_and_exit_is_refused():
    with pytest.raises(RefusedError, match="RETRY or EXIT"):
        make_plan(definition(), {"retryStrategy": {"evaluateOnExit": [{"action": "WAIT"}]}})
