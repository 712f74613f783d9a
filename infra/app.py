"""The CDK app. ``cdk.json`` and ``-c name=value`` say what to deploy: the fields of ``DeploySettings``."""

import sys

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from batch_job.errors import SettingsError
from batch_job.settings import DeploySettings
from infra.stack import BackfillStack


def build(app: App) -> BackfillStack:
    """Make the stack that an app's context describes; it fits any account and region.

    Raises:
        SettingsError: names every setting that is wrong, and how.
    """
    settings = DeploySettings.from_context(app.node.get_all_context())
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return BackfillStack(app, settings.stack, settings=settings)


def main() -> None:
    """Write the template to where the CDK's command line wants it."""
    app = App(analytics_reporting=False)
    try:
        build(app)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    app.synth()


if __name__ == "__main__":
    main()
