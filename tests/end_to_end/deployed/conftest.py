"""The product's template, deployed to an emulator of this session's own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from tests.end_to_end.deployed.assembly import Assembly, synthesised
from tests.end_to_end.deployed.site import Site, site
from tests.end_to_end.deployed.stack import BUCKET, Stack

SETTINGS = {
    "bucket": BUCKET,
    "chip_px": 256,  # a small picture has six chips
    "calls_in_flight": 2,
    "max_vcpus": 3,
    "backfill_calls_per_s": 200,
    "live_calls_per_s": 50,
    "shard_chips": 1,  # a child for each image
    "area_of_interest": str(Path(__file__).with_name("area.geojson")),  # of one prefix; other keys are not limited
}
LEASE_S = 10
"""Whose worker dies is free after so long; the product says five minutes."""

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def synthesis(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Gives the folder of an assembly with other settings beside the usual; workers of one run of pytest share it."""
    base = tmp_path_factory.getbasetemp()
    shared: Path = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def synthesise(**others: Any) -> Path:
        return synthesised(shared, **SETTINGS | others)

    return synthesise


@pytest.fixture(scope="session")
def assembly(synthesis: Callable[..., Path]) -> Assembly:
    """The template that all stacks here are made from."""
    return Assembly(synthesis(), {"BACKFILL_LEASE_S": str(LEASE_S)})


@pytest.fixture(scope="session")
def here(
    assembly: Assembly,
    tmp_path_factory: pytest.TempPathFactory,
    opensearch_url: str,
    rekognition_url: str,
    index_client: OpenSearch,
) -> Iterator[Site]:
    """An emulator to deploy to."""
    urls = {"opensearch_url": opensearch_url, "rekognition_url": rekognition_url}
    node = {name: value for name, value in os.environ.items() if name == "NODE_PATH"}
    with site(tmp_path_factory.mktemp("deployed"), assembly, index=index_client, **urls, variables=node) as made:
        yield made


@pytest.fixture
def stack(here: Site, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The stack, at rest; it is the same one for all tests, and made anew after one that failed."""
    yield here.stack()
    here.heal()
    if request.node.stash.get(_FAILED, False):
        here.forget()
