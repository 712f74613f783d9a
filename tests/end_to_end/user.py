"""What a user does and sees: the command ``imagery-backfill``, what it prints, writes and leaves in an index."""

import contextlib
import io
import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from botocore.client import BaseClient
from opensearchpy import OpenSearch

from batch_job.adapters.opensearch import refresh
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.adapters.opensearch_search import OpenSearchSearch
from batch_job.cli import main
from batch_job.search.mappings import IndexNames
from batch_job.values.documents import LabelDocument
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LedgerEntry
from batch_job.values.query import LabelQuery
from local.emulator import KEY, REGION
from local.truth import LabelledBox, boxes_of

CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_REGION": REGION}
OURS = ("AWS_", "BACKFILL_")


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def summary(self) -> dict[str, Any]:
        """What ``run --json`` printed."""
        return json.loads(self.stdout)

    @property
    def images(self) -> dict[str, int]:
        """Images by outcome, their total left out."""
        return {name: n for name, n in self.summary["images"].items() if name != "total"}

    @property
    def calls(self) -> int:
        return self.summary["calls"]["answered"]


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a user with credentials, whatever ours is."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**clean, "AWS_EC2_METADATA_DISABLED": "true", **CREDENTIALS, **(given or {})}


def imagery_backfill(*arguments: Any, env: Mapping[str, str] | None = None) -> Done:
    """Run the command in this process, which saves the second that a new one takes to start."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code: Any = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _environ(environment(env)):
        try:
            main([str(one) for one in arguments])
        except SystemExit as end:
            code = end.code
        finally:
            structlog.reset_defaults()  # it would go on writing to our stderr
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return Done(code or 0, *texts)


def command_line(*arguments: Any) -> list[str]:
    return [sys.executable, "-m", "batch_job.cli", *(str(one) for one in arguments)]


def start(*arguments: Any, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> "subprocess.Popen[str]":
    """Start the command as a process of its own."""
    return subprocess.Popen(
        command_line(*arguments),
        env=environment(env),
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def ended(process: "subprocess.Popen[str]", *, timeout_s: float = 60) -> Done:
    """Wait for a started command."""
    stdout, stderr = process.communicate(timeout=timeout_s)
    return Done(process.returncode, stdout, stderr)


def served(rekognition_url: str) -> dict[str, int]:
    """What a Rekognition stand-in has counted: calls, answered, throttled, rejected, errors."""
    with urllib.request.urlopen(f"{rekognition_url}/_stats") as answer:  # noqa: S310  on this machine
        return json.loads(answer.read())


@contextlib.contextmanager
def _environ(wanted: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True, slots=True)
class Written:
    """A GeoJSON file that a run wrote."""

    features: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> "Written":
        return cls(json.loads(path.read_bytes())["features"])

    def image(self, name: str) -> dict[str, Any]:
        """The one feature of the image whose file has this name."""
        [image] = [one for one in self.features if _is_image(one) and _name(one) == name]
        return image

    def by_status(self) -> Counter[str]:
        """How many images are indexed, failed, left."""
        return Counter(one["properties"]["status"] for one in self.features if _is_image(one))

    def labels(self, name: str) -> list[dict[str, Any]]:
        return [one for one in self.features if not _is_image(one) and _name(one) == name]

    def objects(self, name: str) -> tuple[LabelledBox, ...]:
        """What was found of the planted kinds."""
        return boxes_of({"features": self.labels(name)})


def _is_image(feature: Mapping[str, Any]) -> bool:
    return feature["properties"]["kind"] == "image"


def _name(feature: Mapping[str, Any]) -> str:
    return feature["properties"]["uri"].rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A bucket, an archive and an index, and the addresses of the servers that hold them."""

    s3: BaseClient = field(repr=False)
    s3_endpoint: str
    index: OpenSearch = field(repr=False)
    index_url: str
    rekognition_url: str
    bucket: str
    archive: str
    prefix: str

    @property
    def names(self) -> IndexNames:
        return IndexNames(self.prefix)

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def arguments(self, *options: Any, **other: str) -> list[Any]:
        """The command line of a run over the bucket; ``other`` replaces an option's value."""
        values = {
            "to": "index",
            "index": self.index_url,
            "index-prefix": self.prefix,
            "archive": f"s3://{self.archive}/paid",
            "s3-endpoint": self.s3_endpoint,
            "detector": f"rekognition@{self.rekognition_url}",
            **{name.replace("_", "-"): value for name, value in other.items()},
        }
        named = [part for name, value in values.items() for part in (f"--{name}", value)]
        return ["run", f"s3://{self.bucket}", *named, "--json", "--quiet", *options]

    def run(self, *options: Any, env: Mapping[str, str] | None = None, **other: str) -> Done:
        """Run over the bucket; what earlier runs wrote can be searched by then."""
        if all(self.index.indices.exists_alias(name=name) for name in (self.names.images, self.names.labels)):
            refresh(self.index, self.names)
        return imagery_backfill(*self.arguments(*options, **other), env=env)

    def entry(self, key: str) -> LedgerEntry | None:
        stored = OpenSearchLedger(self.index, self.names).get(ImageRef(self.bucket, key))
        return None if stored is None else stored.entry

    def labels(self, key: str) -> list[LabelDocument]:
        """What a search finds in an image."""
        refresh(self.index, self.names)
        return list(OpenSearchSearch(self.index, self.names).search(LabelQuery(image=f"s3://{self.bucket}/{key}")))

    def cars(self, key: str) -> list[tuple[float, float, float, float]]:
        return sorted(label.pixel_box for label in self.labels(key) if label.label == "Car" and label.kind == "object")

    def documents(self) -> int:
        """How many labels the index holds, found by a search or not."""
        refresh(self.index, self.names)
        return self.index.count(index=self.names.labels)["count"]

    def wipe(self) -> None:
        """Lose the index."""
        for alias in (self.names.images, self.names.labels):
            self.index.indices.delete(index=self.names.behind(alias))
