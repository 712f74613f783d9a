"""The file of an area of interest: this machine's is put beside the stack, one in S3 is read where it stands."""

from pathlib import Path

from aws_cdk import Stack, aws_iam
from aws_cdk.aws_s3_assets import Asset
from constructs import Construct

from batch_job.settings.area import S3_SCHEME, area_digest, read_area_file, split_area_uri
from batch_job.settings.area_geojson import parse_area
from infra.parts.grants import allow


class Area(Construct):
    """Where workers find it, if there is one."""

    uri: str
    """``s3://BUCKET/KEY``; empty: there is none."""
    digest: str
    """Of what this machine's file says, else of where it stands; empty: there is none."""

    def __init__(self, scope: Construct, construct_id: str, *, place: str) -> None:
        """Check a file of this machine and have it uploaded with the stack.

        Args:
            scope: Around it.
            construct_id: Its name there.
            place: A path, ``s3://BUCKET/KEY``, or nothing.

        Raises:
            SettingsError: it cannot be read, or is no area; says what to do.
        """
        super().__init__(scope, construct_id)
        self.uri, self.digest, self._arn = place, area_digest(place.encode()) if place else "", ""
        if place.startswith(S3_SCHEME):
            bucket, key = split_area_uri(place)
            self._arn = Stack.of(self).format_arn(
                service="s3", region="", account="", resource=bucket, resource_name=key
            )
        elif place:
            self._upload(place)

    def _upload(self, path: str) -> None:
        body = read_area_file(path)
        parse_area(body, name=path)
        asset = Asset(self, "File", path=str(Path(path).resolve()))
        self.uri, self.digest = asset.s3_object_url, area_digest(body)
        self._arn = asset.bucket.arn_for_objects(asset.s3_object_key)

    def grant_read(self, grantee: aws_iam.IRole) -> None:
        """Let somebody read this one object."""
        if self._arn:
            allow(grantee, ["s3:GetObject"], on=[self._arn])
