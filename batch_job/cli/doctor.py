"""``imagery-backfill doctor``: before money is spent, whether account, bucket and quotas fit the settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape

from batch_job.errors import DeploymentError, SettingsError
from batch_job.settings import DeploySettings
from batch_job.values.checkup import Finding, Verdict
from batch_job.wiring.doctor import checkup

MARKS = {Verdict.FINE: "[green]ok[/]", Verdict.WARNING: "[yellow]??[/]", Verdict.WRONG: "[red]NO[/]"}


@click.command(short_help="Before a deployment: look whether account, bucket and quotas fit the settings.")
@click.option("--bucket", help="The bucket with the imagery; as -c bucket=…")
@click.option("-c", "--context", "context", multiple=True, metavar="NAME=VALUE", help="A setting, as for the CDK.")
@click.option(
    "--cdk-json",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("cdk.json"),
    show_default=True,
    help="Where the other settings stand.",
)
@click.option("--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], show_envvar=True, help="Of the deployment.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each line.")
def doctor(*, bucket: str | None, context: tuple[str, ...], cdk_json: Path, region: str | None, as_json: bool) -> int:
    """Look whether a deployment would work: credentials, Region, bucket, keys, quotas. Nothing is changed or bought.

    Each line that is not `ok` says what to do. Exit code 78: something is wrong.
    """
    given = dict(one.partition("=")[::2] for one in context) | ({"bucket": bucket} if bucket else {})
    settings = DeploySettings.from_context({**read_context(cdk_json), **given})
    console = Console(highlight=False, soft_wrap=True)
    wrong = False
    for finding in checkup(settings, region=region, environment=os.environ):
        _print(console, finding, as_json=as_json)
        wrong = wrong or finding.verdict is Verdict.WRONG
    return DeploymentError.exit_code if wrong else 0


def read_context(cdk_json: Path) -> Mapping[str, Any]:
    """Read what the CDK would read.

    Raises:
        SettingsError: the file is damaged.
    """
    if not cdk_json.exists():
        return {}
    try:
        context: Mapping[str, Any] = orjson.loads(cdk_json.read_bytes()).get("context", {})
    except (ValueError, AttributeError) as error:
        raise SettingsError(f"{cdk_json} is no JSON object: {error}") from error
    return context


def _print(console: Console, finding: Finding, *, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(finding.to_json()))
        return
    console.print(f"{MARKS[finding.verdict]} {finding.about:<11} {escape(finding.said)}")
    if finding.cure:
        console.print(f"   {'':<11} → {escape(finding.cure)}", style="bold")
