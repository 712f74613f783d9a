"""Promises about who is told of what."""

import inspect
import re
from functools import partial

import pytest
from aws_cdk import aws_lambda, aws_sqs

from batch_job import metrics
from batch_job.backfill import superseding
from infra.parts.alarms import Alarms
from tests.unit.infra.small import KEPT, findings, properties, resources, spelled, template_of

QUEUES = ["arn:aws:batch:eu-west-1:111122223333:job-queue/a", "arn:aws:batch:eu-west-1:111122223333:job-queue/b"]
SECTIONS = {"Watch", "Redrive", "Failed jobs", "Overdue inventory"}


def build(stack, *, mail="ada@example.org"):
    doors = ("Planning", "Live")
    function = aws_lambda.Function.from_function_arn(
        stack, "Function", "arn:aws:lambda:eu-west-1:111122223333:function:f"
    )
    Alarms(
        stack,
        "Alarms",
        stack="Harbour",
        mail=mail,
        queues={door: aws_sqs.Queue.from_queue_arn(stack, f"{door}Q", arn(door)) for door in doors},
        dead_letters={door: aws_sqs.Queue.from_queue_arn(stack, f"{door}D", arn(f"{door}-dead")) for door in doors},
        functions=dict.fromkeys(doors, function),
        job_queues=dict(zip("ab", QUEUES, strict=True)),
        **KEPT,
    )


def arn(name):
    return f"arn:aws:sqs:eu-west-1:111122223333:{name}"


def alarms(metric):
    return [one for one in properties(template_of(build), "AWS::CloudWatch::Alarm") if one["MetricName"] == metric]


def topic():
    [name] = template_of(build).find_resources("AWS::SNS::Topic")
    return name


@pytest.mark.parametrize("dead", ["Planning-dead", "Live-dead"])
def test_one_dead_letter_is_an_alarm(dead):
    [one] = [a for a in alarms("ApproximateNumberOfMessagesVisible") if a["Dimensions"][0]["Value"] == dead]
    assert (one["Threshold"], one["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    assert (one["EvaluationPeriods"], one["Statistic"], one["TreatMissingData"]) == (1, "Maximum", "notBreaching")


@pytest.mark.parametrize("queue", ["Planning", "Live"])
def test_a_message_that_waits_for_an_hour_is_an_alarm(queue):
    [one] = [a for a in alarms("ApproximateAgeOfOldestMessage") if a["Dimensions"][0]["Value"] == queue]
    assert one["Threshold"] == 3600


def test_a_function_that_fails_as_a_whole_is_an_alarm():
    assert [(a["Threshold"], a["Statistic"]) for a in alarms("Errors")] == [(1, "Sum")] * 2


def test_every_alarm_reaches_the_topic_and_says_where_its_cure_is_written():
    all_alarms = properties(template_of(build), "AWS::CloudWatch::Alarm")
    assert len(all_alarms) == 8
    for one in all_alarms:
        actions = one.get("AlarmActions", []) + one.get("InsufficientDataActions", [])
        assert actions == [{"Ref": topic()}]
        [section] = re.findall(r'docs/runbook\.md, "([^"]+)"\.$', spelled(one["AlarmDescription"]))
        assert section in SECTIONS


def test_jobs_that_failed_are_counted_by_the_rule_that_hears_of_them():
    [name] = template_of(build).find_resources("AWS::Events::Rule")
    [one] = alarms("Invocations")
    assert (one["Namespace"], one["Dimensions"]) == ("AWS/Events", [{"Name": "RuleName", "Value": {"Ref": name}}])
    assert (one["Threshold"], one["TreatMissingData"]) == (1, "notBreaching")


def pattern():
    [rule] = properties(template_of(build), "AWS::Events::Rule")
    return rule["EventPattern"]


def test_the_rule_hears_of_failed_jobs_of_our_queues():
    heard = pattern()
    assert heard["source"] == ["aws.batch"]
    assert heard["detail-type"] == ["Batch Job State Change"]
    assert heard["detail"]["status"] == ["FAILED"]
    assert heard["detail"]["jobQueue"] == QUEUES


def test_jobs_that_are_called_off_for_a_newer_inventory_alarm_nobody():
    [reason] = re.findall(r'reason="([^"]+)"', inspect.getsource(superseding.call_off))
    ignored, absent = pattern()["detail"]["statusReason"]
    assert absent == {"exists": False}
    assert reason in ignored["anything-but"]


def test_what_failed_is_kept_where_eventbridge_may_write():
    template = template_of(build)
    [(group, one)] = template.find_resources("AWS::Logs::LogGroup").items()
    assert one["Properties"]["RetentionInDays"] == 30
    [rule] = resources(template, "AWS::Events::Rule")
    [target] = rule["Properties"]["Targets"]
    assert spelled(target["Arn"]).endswith(f":log-group:<{group}>")
    [(policy, allowed)] = template.find_resources("AWS::Logs::ResourcePolicy").items()
    assert f"<{group}.Arn>" in spelled(allowed["Properties"]["PolicyDocument"]) or group in str(allowed)
    assert "events.amazonaws.com" in str(allowed)
    assert policy in rule["DependsOn"]


def overdue():
    [one] = alarms("Inventories")
    return one


def test_the_overdue_inventory_watches_what_the_planner_writes():
    one = overdue()
    assert one["Namespace"] == metrics.NAMESPACE
    assert {d["Name"]: d["Value"] for d in one["Dimensions"]} == {"stack": "Harbour", "lane": metrics.Metrics().lane}
    assert {d["Name"] for d in one["Dimensions"]} == set(metrics.DIMENSIONS)
    assert one["MetricName"] == metrics.Metric.INVENTORIES


def test_two_days_without_an_inventory_are_told_and_the_two_before_the_first_one_are_not():
    one = overdue()
    assert one["Period"] * one["EvaluationPeriods"] == 48 * 3600
    assert one["TreatMissingData"] == "missing"  # breaching would go off as soon as it is made
    assert one["InsufficientDataActions"] == [{"Ref": topic()}]
    assert one["Statistic"] == "SampleCount"  # the set-up's zero is a sign of life
    assert (one["Threshold"], one["ComparisonOperator"]) == (1, "LessThanThreshold")


def test_mails_go_to_whom_the_settings_name():
    [one] = properties(template_of(build), "AWS::SNS::Subscription")
    assert (one["Protocol"], one["Endpoint"]) == ("email", "ada@example.org")
    template_of(partial(build, mail="")).resource_count_is("AWS::SNS::Subscription", 0)


def test_the_topic_is_encrypted_with_a_key_that_alarms_may_use():
    [one] = properties(template_of(build), "AWS::SNS::Topic")
    [(key, body)] = template_of(build).find_resources("AWS::KMS::Key").items()
    assert spelled(one["KmsMasterKeyId"]) == f"<{key}.Arn>"
    assert body["Properties"]["EnableKeyRotation"] is True
    [used] = [
        s
        for s in body["Properties"]["KeyPolicy"]["Statement"]
        if s["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert used["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert used["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_only_alarms_of_this_account_publish_and_only_over_tls():
    [policy] = properties(template_of(build), "AWS::SNS::TopicPolicy")
    refused, allowed = sorted(policy["PolicyDocument"]["Statement"], key=lambda s: s["Effect"], reverse=True)
    assert (refused["Effect"], refused["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert (allowed["Action"], allowed["Principal"]) == ("sns:Publish", {"Service": "cloudwatch.amazonaws.com"})
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_every_finding_of_cdk_nag_is_answered():
    assert findings(build) == []
