"""``imagery-backfill deploy``: from a bucket's name to a stack beside it; what ``make deploy`` calls."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from batch_job.cli.doctor import doctor, read_context
from batch_job.errors import SetUpError
from batch_job.settings import DeploySettings
from batch_job.wiring.deploying import Target, find_target

CDK = Path("node_modules", ".bin", "cdk")
"""As ``npm ci`` installs it from ``package-lock.json``."""
OUT = "cdk.out"


@click.command(short_help="Deploy the stack next to a bucket; from a checkout.")
@click.option("--bucket", help="The bucket with the imagery; as -c bucket=…")
@click.option("-c", "--context", "context", multiple=True, metavar="NAME=VALUE", help="A setting, as for the CDK.")
@click.option(
    "--region",
    envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
    show_envvar=True,
    help="Of the deployment; the bucket's own, if it is not said. Another than that is refused.",
)
@click.pass_context
def deploy(ctx: click.Context, *, bucket: str | None, context: tuple[str, ...], region: str | None) -> int:
    """Deploy: look whether it would work (as `doctor`), prepare the Region for the CDK if it is not, deploy.

    Run it in a checkout, where `cdk.json` is and `npm ci` has installed the CDK's command line; `make deploy` sees to
    that.
    """
    context = (*context, f"bucket={bucket}") if bucket else context
    cdk_json = Path("cdk.json")
    given = dict(one.partition("=")[::2] for one in context)
    settings = DeploySettings.from_context({**read_context(cdk_json), **given})
    if not CDK.exists():
        raise SetUpError(f"{CDK} is missing: run `npm ci`, or `make deploy`")
    target = find_target(settings, region=region)
    code: int = ctx.invoke(doctor, context=context, cdk_json=cdk_json, region=target.region)
    if code:
        return code
    for step in steps(target, context):
        _run(step, environment(target, os.environ))
    return 0


def steps(target: Target, context: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Give the command lines, one after the other; the template is made once."""
    yield "synth", "--quiet", "--output", OUT, *(word for one in context for word in ("-c", one))
    if not target.bootstrapped:
        yield "bootstrap", "--app", OUT, f"aws://{target.account}/{target.region}"
    # whoever says "deploy" has said yes; what is granted to whom is in docs/security.md
    yield "deploy", "--app", OUT, "--require-approval", "never"


def environment(target: Target, around: Mapping[str, str]) -> dict[str, str]:
    """Give the CDK's environment: the Region, and our Python and node first."""
    path = os.pathsep.join((str(Path(sys.executable).parent), around.get("PATH", os.defpath)))
    return {**around, "PATH": path, "AWS_REGION": target.region, "AWS_DEFAULT_REGION": target.region}


def _run(step: tuple[str, ...], variables: Mapping[str, str]) -> None:
    click.echo(f"cdk {' '.join(step)}", err=True)
    ended = subprocess.run((str(CDK), *step), env=dict(variables), check=False)  # noqa: S603  our own words
    if ended.returncode:
        raise SetUpError(f"cdk {step[0]} ended with exit code {ended.returncode}; its last lines say why")
