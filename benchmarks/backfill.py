"""Images per second of a deployed backfill with two vCPUs, and what an image takes beside its detector call.

``python -m benchmarks.backfill`` deploys the template to the emulator, puts many images of one chip into the bucket,
delivers an inventory and watches the run; ``--json`` prints one object. Emulator, OpenSearch server and Rekognition
stand-in share the machine with the workers, so the figures say what the system costs at most, not what AWS gives.
"""

import argparse
import dataclasses
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import orjson
from rich.console import Console

from local.demo_stack import CDK, DemoStack
from local.emulator import KEY, REGION
from local.scenes import Layout, Scene, make
from local.servers import StandIns

IMAGES = 240
SIDE_PX = 256
SHARD_IMAGES = 30
"""Eight shards: as array jobs of two or three children for each of the inventory's three files."""
CALLS_PER_S = 1000
"""More than comes: not the budget is measured."""
PROBES = 40


def main() -> int:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    console = Console(stderr=True, highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        row = _measure(Path(folder), console)
    if given.json:
        sys.stdout.write(json.dumps({"rows": [row]}) + "\n")
    else:
        for name, value in row.items():
            print(f"{name:<32} {value}")
    return 0


def _measure(folder: Path, console: Console) -> dict[str, Any]:
    more = {"backfill_calls_per_s": str(CALLS_PER_S), "shard_chips": str(SHARD_IMAGES)}
    cdk = dataclasses.replace(CDK, folder=folder / "cdk", settings={**CDK.settings, **more})
    synthesis = cdk.begin_synthesis()
    images = list(_images(folder / "images"))
    with StandIns(folder / "servers", say=console.print) as servers:
        stack = DemoStack(servers, console)
        stack.make_bucket()
        for image in images:
            stack.upload(image, f"small/{image.name}")
        cdk.finish(synthesis)
        cdk.bootstrap(servers.aws_endpoint)
        outputs = cdk.deploy(servers.aws_endpoint)
        began = time.monotonic()
        stack.deliver_inventory()
        run = stack.run_finished()["run"]
        whole_s = time.monotonic() - began
        markers = list(_markers(stack, outputs, run["run_id"]))
        call_ms = _call_ms(servers.rekognition_url, images[0].read_bytes())
    visited = sum(sum(marker["images"].values()) for marker in markers)
    image_ms = sum(marker["duration_ms"] for marker in markers) / visited
    return {
        "case": f"{visited} images of {SIDE_PX} x {SIDE_PX} px, 2 vCPUs, {len(markers)} children",
        "unit": "images/s",
        "ours": round(visited / whole_s, 2),
        "whole_s": round(whole_s, 1),
        "image_ms": round(image_ms, 1),
        "detector_call_ms": round(call_ms, 1),
        "beside_the_detector_ms": round(image_ms - call_ms, 1),
    }


def _images(folder: Path) -> Iterator[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(IMAGES):
        scene = Scene(
            name=f"small-{number:04d}", width=SIDE_PX, height=SIDE_PX, count=1, layout=Layout.JPEG, seed=number
        )
        yield make(scene, folder).image


def _markers(stack: DemoStack, outputs: Mapping[str, str], run_id: str) -> Iterator[Mapping[str, Any]]:
    """Yield what each child says of its shard: all its images, from its first line of code to its last."""
    bucket = outputs["RunsUri"].removeprefix("s3://").partition("/")[0]
    listed = stack.s3.list_objects_v2(Bucket=bucket, Prefix=f"runs/{run_id}/done/")["Contents"]
    for one in listed:
        if not one["Key"].endswith("/sweep.json"):
            yield orjson.loads(stack.s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read())


def _call_ms(url: str, image: bytes) -> float:
    """Time calls of the stand-in, one after the other, while nothing else runs; gives the median."""
    client = boto3.client(
        "rekognition", endpoint_url=url, region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=KEY
    )
    spent = []
    for _ in range(PROBES):
        began = time.perf_counter()
        client.detect_labels(Image={"Bytes": image}, MinConfidence=55)
        spent.append(time.perf_counter() - began)
    client.close()
    return 1000 * statistics.median(spent)


if __name__ == "__main__":
    sys.exit(main())
