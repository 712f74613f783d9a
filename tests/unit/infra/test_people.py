"""Promises about signing in."""

from functools import partial

import pytest
from aws_cdk import RemovalPolicy

from infra.parts.people import People
from tests.unit.infra.small import findings, properties, resources, spelled, template_of

POOL = {
    "user_pool_id": "eu-west-1_abc",
    "identity_pool_id": "eu-west-1:1",
    "people_role_arn": "arn:aws:iam::111122223333:role/analysts",
}
NEW = {"user_pool_id": "", "identity_pool_id": "", "people_role_arn": ""}


def build(stack, *, mail="", pool=None, removal=RemovalPolicy.RETAIN):
    People(stack, "People", mail=mail, removal=removal, **(pool or NEW))


nobody = partial(build)
somebody = partial(build, mail="ada@example.org")
theirs = partial(build, mail="ada@example.org", pool=POOL)


def pool():
    [one] = properties(template_of(nobody), "AWS::Cognito::UserPool")
    return one


def test_people_are_invited_and_cannot_let_themselves_in():
    assert pool()["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True


def test_passwords_are_long_and_mixed():
    policy = pool()["Policies"]["PasswordPolicy"]
    assert policy.pop("MinimumLength") >= 12
    assert policy.pop("TemporaryPasswordValidityDays") == 7
    assert len(policy) == 4
    assert set(policy.values()) == {True}


def test_a_second_factor_is_there_for_who_wants_it_and_costs_no_text_message():
    assert pool()["MfaConfiguration"] == "OPTIONAL"
    assert pool()["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]


def test_the_invitation_says_where_and_holds_what_cognito_fills_in():
    body = spelled(pool()["AdminCreateUserConfig"]["InviteMessageTemplate"]["EmailMessage"])
    assert "{username}" in body
    assert "{####}" in body
    assert "DashboardsUrl" in body


def test_the_address_of_the_pool_is_this_deployments_own_for_ever():
    [domain] = properties(template_of(nobody), "AWS::Cognito::UserPoolDomain")
    prefix, uuid = domain["Domain"]["Fn::Join"][1]
    assert prefix == "imagery-"
    assert uuid == {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}


def test_nobody_is_invited_unless_a_mail_is_given():
    template_of(nobody).resource_count_is("AWS::Cognito::UserPoolUser", 0)
    [user] = properties(template_of(somebody), "AWS::Cognito::UserPoolUser")
    assert user["Username"] == "ada@example.org"
    assert user["DesiredDeliveryMediums"] == ["EMAIL"]
    assert {one["Name"]: one["Value"] for one in user["UserAttributes"]} == {
        "email": "ada@example.org",
        "email_verified": "true",
    }


def test_only_who_signed_in_to_this_identity_pool_has_the_peoples_role():
    template = template_of(nobody)
    [(identities, one)] = template.find_resources("AWS::Cognito::IdentityPool").items()
    assert one["Properties"]["AllowUnauthenticatedIdentities"] is False
    [attached] = properties(template, "AWS::Cognito::IdentityPoolRoleAttachment")
    assert attached["Roles"].keys() == {"authenticated"}
    name, _, _ = spelled(attached["Roles"]["authenticated"]).strip("<>").partition(".")
    [trust] = template.to_json()["Resources"][name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {"cognito-identity.amazonaws.com:aud": {"Ref": identities}},
        "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"},
    }


def test_opensearch_itself_connects_the_pools():
    roles = properties(template_of(nobody), "AWS::IAM::Role")
    [service] = [one for one in roles if "ManagedPolicyArns" in one]
    [trust] = service["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "opensearchservice.amazonaws.com"}
    assert spelled(service["ManagedPolicyArns"]).endswith(":policy/AmazonOpenSearchServiceCognitoAccess")
    template_of(nobody).resource_count_is("AWS::Cognito::UserPoolClient", 0)


@pytest.mark.parametrize("removal", ["Retain", "Delete"])
def test_users_stay_or_go_as_told(removal):
    policy = RemovalPolicy.RETAIN if removal == "Retain" else RemovalPolicy.DESTROY
    template = template_of(partial(build, removal=policy))
    for kind in ("UserPool", "UserPoolDomain", "IdentityPool"):
        [one] = resources(template, f"AWS::Cognito::{kind}")
        assert one["DeletionPolicy"] == removal


def test_pools_that_are_there_are_used_and_nothing_of_them_is_made_or_changed():
    kinds = {one["Type"] for one in template_of(theirs).to_json()["Resources"].values()}
    assert kinds == {"AWS::IAM::Role"}


@pytest.mark.parametrize("variant", [somebody, theirs])
def test_every_finding_of_cdk_nag_is_answered(variant):
    assert findings(variant) == []
