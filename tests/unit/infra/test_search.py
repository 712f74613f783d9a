"""Promises about the domain."""

from functools import partial

import pytest
from aws_cdk import CfnOutput, RemovalPolicy, aws_iam

from infra.parts.people import People
from infra.parts.search import Search
from tests.unit.infra.small import MONTH, findings, properties, resources, spelled, statements, template_of

READ = {"Delete", "Post"}
WRITE = {*READ, "Get", "Put"}
ALL = {*WRITE, "Head", "Patch"}
THEIRS = {
    "domain_endpoint": "search-x.eu-west-1.es.amazonaws.com",
    "domain_arn": "arn:aws:es:eu-west-1:111122223333:domain/x",
}


def build(stack, *, domain=None, instance_type="t3.small.search", instances=1, removal=RemovalPolicy.RETAIN):
    pool = {"user_pool_id": "", "identity_pool_id": "", "people_role_arn": ""}
    people = None if domain else People(stack, "People", mail="ada@example.org", removal=removal, **pool)
    search = Search(
        stack,
        "Search",
        people=people,
        instance_type=instance_type,
        instances=instances,
        volume_gb=20,
        log_retention=MONTH,
        removal=removal,
        **(domain or {"domain_endpoint": "", "domain_arn": ""}),
    )
    role = partial(aws_iam.Role, stack, assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))
    search.grant_writing(role("Writer"))
    search.grant_reading(role("Reader"))
    CfnOutput(stack, "Url", value=search.url)
    CfnOutput(stack, "Dashboards", value=search.dashboards_url)


ours = partial(build)
theirs = partial(build, domain=THEIRS)


def domain(variant=ours):
    [one] = resources(template_of(variant), "AWS::OpenSearchService::Domain")
    return one


def output(variant, name):
    return spelled(template_of(variant).to_json()["Outputs"][name]["Value"])


def test_everything_is_encrypted_everywhere():
    told = domain()["Properties"]
    assert told["EncryptionAtRestOptions"]["Enabled"] is True
    assert told["NodeToNodeEncryptionOptions"]["Enabled"] is True
    assert told["DomainEndpointOptions"]["EnforceHTTPS"] is True
    assert told["DomainEndpointOptions"]["TLSSecurityPolicy"].startswith("Policy-Min-TLS-1-2-PFS")


def test_the_engine_is_one_whose_maps_work():
    assert domain()["Properties"]["EngineVersion"] == "OpenSearch_3.7"


def test_a_newer_engine_is_an_upgrade_in_place():
    assert domain()["UpdatePolicy"]["EnableVersionUpgrade"] is True


def test_only_signed_requests_of_this_account_come_in():
    [one] = domain()["Properties"]["AccessPolicies"]["Statement"]
    assert one["Effect"] == "Allow"
    assert spelled(one["Principal"]["AWS"]) == "arn:<AWS::Partition>:iam::<AWS::AccountId>:root"
    assert one["Action"] == "es:ESHttp*"
    path = f"{spelled(domain()['Properties']['DomainName'])}/*"
    assert spelled(one["Resource"]) == f"arn:<AWS::Partition>:es:<AWS::Region>:<AWS::AccountId>:domain/{path}"


def test_only_the_set_ups_role_may_change_who_may_do_what():
    options = domain()["Properties"]["AdvancedSecurityOptions"]
    assert (options["Enabled"], options["InternalUserDatabaseEnabled"]) == (True, False)
    master = spelled(options["MasterUserOptions"]["MasterUserARN"]).strip("<>").removesuffix(".Arn")
    role = template_of(ours).to_json()["Resources"][master]["Properties"]
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_each_reaches_this_domain_and_no_other_with_the_requests_that_it_makes():
    [name] = template_of(ours).find_resources("AWS::OpenSearchService::Domain")
    told = list(statements(template_of(ours)))
    assert {spelled(one["Resource"]) for one in told} == {f"<{name}.Arn>/*"}
    granted = sorted((methods(one) for one in told), key=len)
    assert granted == [READ, WRITE, ALL, ALL]  # reader, writer, people and set-up


def methods(statement):
    return {action.removeprefix("es:ESHttp") for action in statement["Action"]}


def test_dashboards_are_for_those_of_the_user_pool():
    told = domain()["Properties"]["CognitoOptions"]
    assert told["Enabled"] is True
    assert spelled(told["UserPoolId"]).startswith("<PeopleUsers")
    assert spelled(told["IdentityPoolId"]).startswith("<PeopleIdentities")
    assert spelled(told["RoleArn"]).startswith("<PeopleServiceRole")


def test_the_pools_address_comes_before_the_domain_and_the_invitation_after_it():
    template = template_of(ours)
    [address] = template.find_resources("AWS::Cognito::UserPoolDomain")
    [name] = template.find_resources("AWS::OpenSearchService::Domain")
    [user] = resources(template, "AWS::Cognito::UserPoolUser")
    assert address in domain()["DependsOn"]
    assert name in user["DependsOn"]


def test_its_name_is_this_deployments_own_and_short_enough():
    prefix, middle = domain()["Properties"]["DomainName"]["Fn::Join"][1]
    assert prefix == "imagery-"
    assert len(prefix) + len("12345678-1234") <= 28
    separator, parts = middle["Fn::Join"]
    assert (separator, [part["Fn::Select"][0] for part in parts]) == ("-", [0, 1])


def test_slow_requests_and_errors_are_logged_where_it_may_write_and_for_as_long_as_told():
    template = template_of(ours)
    groups = template.find_resources("AWS::Logs::LogGroup")
    assert {one["Properties"]["RetentionInDays"] for one in groups.values()} == {30}
    logged = domain()["Properties"]["LogPublishingOptions"]
    assert logged.keys() == {"SEARCH_SLOW_LOGS", "INDEX_SLOW_LOGS", "ES_APPLICATION_LOGS"}
    arns = {spelled(one["CloudWatchLogsLogGroupArn"]) for one in logged.values()}
    assert arns == {f"<{name}.Arn>" for name in groups}
    [(policy, allowed)] = template.find_resources("AWS::Logs::ResourcePolicy").items()
    text = spelled(allowed["Properties"]["PolicyDocument"])
    assert all(arn.strip("<>").removesuffix(".Arn") in text for arn in arns)
    assert "es.amazonaws.com" in text
    assert policy in domain()["DependsOn"]


def test_the_smallest_domain_is_one_node_with_a_gp3_volume():
    told = domain()["Properties"]
    assert told["ClusterConfig"]["InstanceType"] == "t3.small.search"
    assert told["ClusterConfig"]["InstanceCount"] == 1
    assert told["ClusterConfig"]["MultiAZWithStandbyEnabled"] is False
    assert told["EBSOptions"] == {"EBSEnabled": True, "VolumeSize": 20, "VolumeType": "gp3"}


@pytest.mark.parametrize(("instances", "zones"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 1), (6, 3)])
def test_nodes_are_spread_over_as_many_zones_as_get_the_same_number(instances, zones):
    told = domain(partial(build, instance_type="r6g.large.search", instances=instances))["Properties"]["ClusterConfig"]
    assert told["ZoneAwarenessEnabled"] is (zones > 1)
    assert told.get("ZoneAwarenessConfig", {"AvailabilityZoneCount": 1})["AvailabilityZoneCount"] == zones


def test_no_part_of_it_needs_a_lambda():
    template_of(ours).resource_count_is("AWS::Lambda::Function", 0)


@pytest.mark.parametrize(("removal", "kept"), [(RemovalPolicy.RETAIN, "Retain"), (RemovalPolicy.DESTROY, "Delete")])
def test_the_index_stays_or_goes_as_told(removal, kept):
    assert domain(partial(build, removal=removal))["DeletionPolicy"] == kept


def test_people_are_told_where_to_look():
    assert output(ours, "Url").startswith("https://<SearchDomain")
    assert output(ours, "Dashboards") == f"{output(ours, 'Url')}/_dashboards"


def test_a_domain_that_is_there_is_used_and_nothing_of_it_is_made():
    assert output(theirs, "Url") == f"https://{THEIRS['domain_endpoint']}"
    kinds = {one["Type"] for one in template_of(theirs).to_json()["Resources"].values()}
    assert kinds == {"AWS::IAM::Role", "AWS::IAM::Policy"}
    told = list(statements(template_of(theirs)))
    assert {spelled(one["Resource"]) for one in told} == {f"{THEIRS['domain_arn']}/*"}
    assert sorted(map(methods, told), key=len) == [READ, WRITE, ALL]


def test_whom_a_domain_that_is_there_must_let_in_is_known_before_the_stack_is():
    names = {one["RoleName"] for one in properties(template_of(theirs), "AWS::IAM::Role") if "RoleName" in one}
    assert names == {"Small-search-set-up"}


@pytest.mark.parametrize("variant", [ours, theirs])
def test_every_finding_of_cdk_nag_is_answered(variant):
    assert findings(variant) == []
