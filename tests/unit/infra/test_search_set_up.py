"""Promises about what is set up in the domain, and about the revision that workers run under."""

from functools import partial

from aws_cdk import CfnOutput, aws_iam

from batch_job.wiring.set_up_search import Wanted
from infra.parts.search_set_up import SearchSetUp
from tests.unit.infra.small import KEPT, code, findings, properties, resources, spelled, template_of

URL = "https://search-x.eu-west-1.es.amazonaws.com"


def build(stack, *, revision="1", rebuild=""):
    def role(name):
        return aws_iam.Role(stack, name, assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))

    done = SearchSetUp(
        stack,
        "SetUp",
        code=code(stack),
        role=role("Master"),
        index_url=URL,
        index_prefix="survey",
        writers=[role("Job"), role("Live")],
        readers=[role("Looker")],
        people=[role("Analyst")],
        revision=revision,
        rebuild=rebuild,
        **KEPT,
    )
    CfnOutput(stack, "Revision", value=done.settings_revision)


def asked(variant=build):
    [one] = properties(template_of(variant), "Custom::SetUpSearch")
    return one


def handler():
    [one] = [f for f in properties(template_of(build), "AWS::Lambda::Function") if f.get("PackageType") == "Image"]
    return one


def test_the_handler_understands_all_that_the_template_asks_for():
    told = {
        name: [spelled(one) for one in value] if isinstance(value, list) else spelled(value)
        for name, value in asked().items()
    }
    wanted = Wanted.from_properties(told)
    assert (wanted.index_url, wanted.index_prefix, wanted.revision) == (URL, "survey", "1")
    assert [arn[:4] for arn in wanted.writers] == ["<Job", "<Liv"]
    assert [arn[:4] for arn in wanted.readers + wanted.people] == ["<Loo", "<Ana"]


def test_it_runs_as_the_master_user_and_where_a_stand_in_can_be_named():
    assert spelled(handler()["Role"]).startswith("<Master")
    assert handler()["Environment"]["Variables"] == {"BACKFILL_INDEX_URL": URL}


def test_it_has_the_ten_minutes_that_a_new_domain_may_take():
    assert handler()["Timeout"] == 600
    assert handler()["Timeout"] < int(asked()["ServiceTimeout"]) <= 900


def test_workers_run_under_the_revision_that_it_gives():
    [name] = template_of(build).find_resources("Custom::SetUpSearch")
    value = template_of(build).to_json()["Outputs"]["Revision"]["Value"]
    assert value == {"Fn::GetAtt": [name, "Revision"]}


def test_other_settings_run_it_again_and_the_same_do_not():
    assert asked(partial(build, revision="2")) != asked()
    assert asked(partial(build, revision="1")) == asked()


def test_indices_are_asked_to_be_made_anew_only_where_that_is_set():
    assert "Rebuild" not in asked()
    told = asked(partial(build, rebuild="2026-11-21"))
    assert (told["Rebuild"], told["Revision"]) == ("2026-11-21", asked()["Revision"])


def test_no_function_may_write_to_the_logs_of_others():
    roles = resources(template_of(build), "AWS::IAM::Role")
    assert not any("ManagedPolicyArns" in one["Properties"] for one in roles)


def test_every_finding_of_cdk_nag_is_answered():
    assert findings(build) == []
