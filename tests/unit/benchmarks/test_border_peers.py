import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.border_peers import PEERS, RULES, Merger, Peer, PeerError
from benchmarks.border_quality import NOT_ASKED, Case, measure
from benchmarks.border_scene import CROWDS, IDEAL, KINDS, plant
from benchmarks.set_up import Environment

SMALL = Case(replace(KINDS[1], count=30, width=1800, height=1200), "1024/5 %", IDEAL, overview=False)
KEEPS_ALL = """
import numpy as np
from benchmarks.side_merge import main

def merge(given):
    print("what a package thinks")
    return {"all": np.column_stack((given["boxes"], given["labels"]))}

def timed(given):
    return lambda: print("so it thinks") or len(given["boxes"])

if __name__ == "__main__":
    main(merge, timed)
"""


class Here(Environment):
    """An environment that is our own."""

    __slots__ = ()

    @property
    def python(self) -> Path:
        return Path(sys.executable)

    @property
    def is_complete(self) -> bool:
        return True


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Peers of a program, which is told where our packages are."""

    def make(program: str) -> Peer:
        (tmp_path / "side_of_a_test.py").write_text(program)
        path = f"{tmp_path}:{Path.cwd()}"
        return Peer(Here("a peer", tmp_path / "none", tmp_path, variables={"PYTHONPATH": path}), "side_of_a_test", ())

    return make


def test_a_peer_merges_scene_after_scene_whatever_its_packages_print(peer) -> None:
    with Merger(peer(KEEPS_ALL)) as merger:
        for seed in (0, 1):
            views = SMALL.look(plant(SMALL.kind, seed), seed)
            merged = merger.merge(views)["all"]
            np.testing.assert_array_equal(merged, np.column_stack((views.boxes, views.labels)))


def test_a_peer_that_ends_says_why(peer) -> None:
    views = SMALL.look(plant(SMALL.kind, 0), 0)
    with Merger(peer("raise ImportError('no osgeo')")) as merger, pytest.raises(PeerError, match=r"a peer: .*no osgeo"):
        merger.merge(views)


def test_a_peers_errors_stand_beside_ours_and_each_has_its_ratio(peer) -> None:
    with Merger(peer(KEEPS_ALL)) as merger:
        row = measure(SMALL, [0], peers=[merger]).to_json()
    assert (row["ours"], row["ours_extra"], row["ours_missed"]) == (0, 0, 0)
    assert row["all_extra"] > 0
    assert row["all"] == row["all_extra"] + row["all_missed"]
    assert row["ratio_all"] == row["all"] + 1


def test_every_peer_that_was_not_asked_has_a_note_and_no_figures() -> None:
    row = measure(SMALL, [0], peers=[]).to_json()
    assert {rule for peer in PEERS for rule in peer.rules} == set(RULES) == {"sahi", "osml", "nms"}
    for peer in PEERS:
        for rule in peer.rules:
            assert row[rule] is None
            assert f"{rule}_extra" not in row
            assert row[f"note_{rule}"] == (peer.home.missing or NOT_ASKED)


@pytest.mark.parametrize("kind", CROWDS, ids=lambda kind: kind.name)
def test_objects_of_one_label_come_as_close_as_the_name_of_their_scene_says(kind) -> None:
    truth = plant(replace(kind, count=900, width=6000, height=3000), 0)
    closest = np.inf
    for label in np.unique(truth.labels):
        boxes = truth.boxes[truth.labels == label]
        sides = boxes[:, 2:] - boxes[:, :2]
        gaps = np.maximum(boxes[:, None, :2] - boxes[None, :, 2:], boxes[None, :, :2] - boxes[:, None, 2:])
        apart = gaps + kind.overlap * np.minimum(sides[:, None], sides[None])
        nearest = apart.max(axis=2)[~np.eye(len(boxes), dtype=bool)].min()
        closest = min(closest, nearest)
    assert kind.gaps_px[0] - 1e-6 <= closest < kind.gaps_px[0] + 2
