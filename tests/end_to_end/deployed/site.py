"""An emulator to deploy to, whose workers reach the other services through proxies that play failures."""

import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from opensearchpy import OpenSearch

from local.emulation.addresses import ENDPOINT_VARIABLE
from local.emulation.waits import VARIABLE as WAIT_VARIABLE
from local.emulator import KEY, REGION, emulator
from local.servers import Servers
from tests.end_to_end.deployed.assembly import NO_CHANGES, Assembly
from tests.end_to_end.deployed.stack import BUCKET, INDEX_PREFIX, Stack
from tests.fault_proxy import FaultProxy, fault_proxy

_newest: dict[OpenSearch, "Site"] = {}
"""By index: who deployed last. There is one set of indices, and who deploys empties it."""
MAX_WAIT_S = 1
"""What workers have messages wait for, at most; the product's waits begin at 10 s."""
NOWHERE = "http://127.0.0.1:9"


@dataclass
class Site:
    """An emulator, the proxies around it, and the stack that stands there, if one does."""

    endpoint: str
    folder: Path
    """The emulator's own: ``denials.ndjson`` is in it under ``AUTH=true``."""
    assembly: Assembly
    index: OpenSearch = field(repr=False)
    index_proxy: FaultProxy
    """Between workers and OpenSearch."""
    detector: FaultProxy
    """Between workers and Rekognition."""
    storage: FaultProxy
    """Between workers and S3; paths are ``/BUCKET/KEY``."""
    batch: FaultProxy
    """Between workers and Batch: POST to ``/v1/submitjob`` and the like."""
    messages: FaultProxy
    """Between workers and SQS."""
    is_lax: bool = True
    """Whether requests may be changed on their way; where permissions are enforced, signatures are checked."""
    made: dict[str, Any] = field(default_factory=dict, repr=False)
    stands: Stack | None = None

    def client(self, service: str) -> Any:
        """Give a client of the account's root."""
        if service not in self.made:
            keys = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY}
            self.made[service] = boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **keys)  # type: ignore[call-overload]
        return self.made[service]

    def stack(self) -> Stack:
        """Give the stack that stands, or deploy it beside an empty bucket."""
        if self.stands is None or _newest.get(self.index) is not self:
            self.stands = self.deploy()
        return self.stands

    def deploy(self, assembly: Assembly | None = None) -> Stack:
        """Empty everything, and deploy anew."""
        self.clear()
        return Stack(self, (assembly or self.assembly).deploy(self.client))

    def clear(self) -> None:
        """Leave nothing in the emulator but an empty bucket, and nothing of the index."""
        self.forget()
        self.heal()
        with urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/_ministack/reset", method="POST")):  # noqa: S310
            pass
        self.index.indices.delete(index=f"{INDEX_PREFIX}-*")
        _newest[self.index] = self
        self.client("s3").create_bucket(Bucket=BUCKET)

    def forget(self) -> None:
        """Have the next that asks get a stack of its own."""
        if self.stands is not None:
            self.stands.close()
        self.stands = None

    def heal(self) -> None:
        """End whatever failures are played."""
        for proxy in (self.index_proxy, self.detector, self.storage, self.batch, self.messages):
            proxy.heal()

    def close(self) -> None:
        """Let go of connections."""
        self.forget()
        for client in self.made.values():
            client.close()


@contextmanager
def site(
    folder: Path,
    assembly: Assembly,
    *,
    index: OpenSearch,
    opensearch_url: str,
    rekognition_url: str,
    variables: Mapping[str, str] = NO_CHANGES,
) -> Iterator[Site]:
    """Start an emulator with these variables beside the usual ones; ``AUTH=true`` has it enforce permissions."""
    with ExitStack() as opened:
        urls = (opensearch_url, rekognition_url, NOWHERE, NOWHERE, NOWHERE)
        proxies = [opened.enter_context(fault_proxy(url)) for url in urls]
        index_proxy, detector, storage, batch, messages = proxies
        recipe = emulator(
            {
                ENDPOINT_VARIABLE: index_proxy.url.partition("//")[2],
                "AWS_ENDPOINT_URL_REKOGNITION": detector.url,
                "AWS_ENDPOINT_URL_S3": storage.url,
                "AWS_ENDPOINT_URL_BATCH": batch.url,
                "AWS_ENDPOINT_URL_SQS": messages.url,
                WAIT_VARIABLE: str(MAX_WAIT_S),
                **variables,
            }
        )
        servers = opened.enter_context(Servers((recipe,), folder))
        for proxy in (storage, batch, messages):
            proxy.lead_to(servers.url(recipe))
        made = Site(
            servers.url(recipe), folder / recipe.name, assembly, index, *proxies, is_lax="AUTH" not in variables
        )
        made.heal()
        opened.callback(made.close)
        yield made
