import numpy as np
from affine import Affine
from pyproj import Transformer

from batch_job.place.outlines import MAX_PARTS, SAMPLES, TOLERANCE_PX, trace
from batch_job.place.project import Ground, find_ground
from batch_job.values.place import Georeference, Georeferencing
from tests.unit.place.rasters import NoGround, affine

SQUARE = np.array([[0, 1000], [1000, 1000], [1000, 0], [0, 0]])


def ground(crs: str, transform: Affine) -> Ground:
    found = find_ground(affine(crs, transform, width=1000, height=1000), NoGround())
    assert found is not None
    return found


def test_straight_edges_need_corners_only() -> None:
    (outlines,) = trace(SQUARE[None], ground("EPSG:4326", Affine(0.01, 0, 10, 0, -0.01, 50)))
    lons, lats = outlines.vertices
    assert lons.tolist() == [[10, 20, 20, 10]]
    assert lats.tolist() == [[40, 40, 50, 50]]


def test_a_whole_world_is_straight_too() -> None:
    (outlines,) = trace(SQUARE[None], ground("EPSG:4326", Affine(0.36, 0, -180, 0, -0.18, 90)))
    assert outlines.vertices[0].tolist() == [[-180, 180, 180, -180]]
    assert outlines.turns.tolist() == [0]


def test_bent_edges_keep_the_tolerance() -> None:
    utm = ground("EPSG:32633", Affine(100, 0, 400_000, 0, -100, 7_000_000))
    (outlines,) = trace(SQUARE[None], utm)
    lons, lats = (np.append(values[0], values[0, 0]) for values in outlines.vertices)
    assert len(lons) > 17
    # where the straight edges in lon/lat go, in pixels: along the sides of the square
    shares = np.linspace(0, 1, 33)[:, None]
    xs, ys = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True).transform(
        (lons[:-1] + (lons[1:] - lons[:-1]) * shares).ravel(), (lats[:-1] + (lats[1:] - lats[:-1]) * shares).ravel()
    )
    cols, rows = (xs - 400_000) / 100, (7_000_000 - ys) / 100
    off = np.min([np.abs(cols), np.abs(cols - 1000), np.abs(rows), np.abs(rows - 1000)], axis=0)
    assert TOLERANCE_PX / 20 < off.max() <= TOLERANCE_PX


def test_small_and_large_rings_come_in_groups_of_their_own() -> None:
    rings = np.stack([SQUARE, SQUARE * 0.01, SQUARE * 0.02])
    groups = list(trace(rings, ground("EPSG:32633", Affine(100, 0, 400_000, 0, -100, 7_000_000))))
    assert [group.which.tolist() for group in groups] == [[1, 2], [0]]


def test_rings_without_a_place_are_left_out() -> None:
    beyond = SQUARE + np.array([0, 60_000])
    groups = list(trace(np.stack([SQUARE, beyond]), ground("EPSG:4326", Affine(0.001, 0, 10, 0, -0.001, -40))))
    assert [group.which.tolist() for group in groups] == [[0]]


def test_longitudes_run_on_across_180() -> None:
    (outlines,) = trace(SQUARE[None], ground("EPSG:3857", Affine(1000, 0, 19_600_000, 0, -1000, 500_000)))
    assert outlines.lons.min() < 180 < outlines.lons.max() < 186


def test_a_ring_around_a_pole_turns_once() -> None:
    for crs, turns in (("EPSG:3413", 1), ("EPSG:3031", -1)):
        (outlines,) = trace(SQUARE[None], ground(crs, Affine(100, 0, -40_000, 0, -100, 60_000)))
        assert outlines.turns.tolist() == [turns]


def test_a_small_ring_around_a_pole_needs_few_points() -> None:
    (outlines,) = trace(SQUARE[None] / 10, ground("EPSG:3413", Affine(100, 0, -4_000, 0, -100, 6_000)))
    assert outlines.vertices[0].shape == (1, 4 * 32)


def test_a_pole_on_an_edge_is_in_or_out() -> None:
    for left, top in ((0, 50_000), (-50_000, 0), (0, 0)):
        groups = list(trace(SQUARE[None], ground("EPSG:3413", Affine(100, 0, left, 0, -100, top))))
        steps = np.abs(np.diff(groups[0].lons, append=groups[0].lons[:, :1] + 360 * groups[0].turns[0]))
        assert steps.max() < 180
        assert np.abs(groups[0].lats).max() < 90


def test_no_ring_is_halved_for_ever() -> None:
    def wild(cols: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 10 + np.sin(cols * 7) + rows / 1e3, 10 + np.cos(rows * 5) + cols / 1e3

    (outlines,) = trace(SQUARE[None], Ground(Georeferencing.GCPS, "EPSG:4326", wild, Georeference()))
    assert outlines.lons.shape == (1, 4 * MAX_PARTS * SAMPLES)


def test_nothing_to_trace_is_fine() -> None:
    assert list(trace(np.empty((0, 4, 2)), ground("EPSG:4326", Affine(0.01, 0, 10, 0, -0.01, 50)))) == []


def test_noise_of_a_crs_far_beyond_its_domain_is_no_ring() -> None:
    # a world file with an absurd height of pixels: its polygon took half a minute to mend
    beyond = ground("EPSG:32633", Affine(0.47, 0.17, 5e5, 0.17, -33_929_542, 21_964_770))
    assert list(trace(np.array([[[0, 0], [40, 0], [40, 30], [0, 30]]]), beyond)) == []
