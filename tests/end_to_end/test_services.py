"""Services that are away, busy or forbidden: what was paid is kept, what is good goes through."""

import itertools
from collections.abc import Iterator

import pytest

from batch_job.adapters import opensearch_labels
from batch_job.adapters.s3 import ATTEMPTS
from batch_job.cli import patience
from local.rekognition import Behaviour, RekognitionSettings, serving
from tests.end_to_end.files import CAR, good, picture, tiff
from tests.end_to_end.user import Written, imagery_backfill, served
from tests.fault_proxy import Answer, DroppedError, FaultProxy, Request, Upstream, fault_proxy

SMALL_CHIPS = ("--chip-px", "128", "--overlap-px", "64")
SO_MANY = 24 + 1
FOR_EVER = 10**6
NOBODY = "http://127.0.0.1:9"
S3_SAYS_NO = "<Error><Code>AccessDenied</Code><Message>not you</Message></Error>"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(patience, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(opensearch_labels, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(opensearch_labels, "LONGEST_WAIT_S", 0.02)


@pytest.fixture
def index_proxy(opensearch_url) -> Iterator[FaultProxy]:
    with fault_proxy(opensearch_url) as proxy:
        yield proxy


def away_from(first: int):
    """Let so many requests through; then nobody answers."""
    seen = itertools.count()

    def fault(request: Request, upstream: Upstream) -> Answer:
        if next(seen) >= first:
            raise DroppedError
        return upstream(request)

    return fault


def test_with_opensearch_down_at_the_start_nothing_is_paid_and_the_address_is_named(world):
    world.put("a.tif", good())
    with serving() as rekognition:
        done = world.run(index=NOBODY, detector=f"rekognition@{rekognition}")
        assert served(rekognition)["calls"] == 0
    assert done.exit_code == 75
    assert "OpenSearch does not answer" in done.stderr
    assert "127.0.0.1" in done.stderr
    assert "port=9" in done.stderr
    assert world.run().images == {"indexed": 1}


def test_when_opensearch_goes_away_in_the_middle_the_run_stops_and_the_next_one_pays_only_for_the_rest(
    world, index_proxy
):
    keys = [f"{number}.tif" for number in range(6)]
    for key in keys:
        world.put(key, good())
    # the labels of two images are written, then the server is gone for everything
    index_proxy.change_next(2, lambda request, upstream: upstream(request), path_contains="_bulk")
    index_proxy.drop_next(FOR_EVER, path_contains="_bulk")
    done = world.run(*SMALL_CHIPS, index=index_proxy.url)
    assert done.exit_code == 75
    assert done.images == {"indexed": 2, "left": 3}
    assert done.stderr.count("left for a later run: ") == 3
    assert "OpenSearch does not answer" in done.stderr
    assert done.calls == 5 * SO_MANY
    again = world.run(*SMALL_CHIPS)
    assert (again.exit_code, again.images) == (0, {"indexed": 4, "skipped_same": 2})
    assert again.calls == SO_MANY
    assert all(len(world.cars(key)) == 1 for key in keys)


@pytest.mark.parametrize("first", [3, 7, 9, 12, 16])
def test_whenever_opensearch_goes_away_for_good_a_later_run_ends_right(world, index_proxy, first):
    for key in ("a.tif", "b.tif"):
        world.put(key, good())
    index_proxy.change_next(FOR_EVER, away_from(first))
    env = {"BACKFILL_LEASE_S": "3"}
    assert world.run(index=index_proxy.url, env=env).exit_code == 75
    for _ in range(100):  # the lease of a claim that could not be released runs out
        done = world.run(env=env)
        if done.exit_code == 0:
            break
        assert "another worker has it (busy)" in done.stderr
    assert done.exit_code == 0
    assert [len(world.cars(key)) for key in ("a.tif", "b.tif")] == [1, 1]
    assert world.documents() == sum(world.entry(key).live.count for key in ("a.tif", "b.tif"))


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_index_is_asked_again_and_nothing_is_paid_twice(world, index_proxy, status):
    for key in ("a.tif", "b.tif"):
        world.put(key, good())
    for path, method in (("_bulk", "POST"), ("_doc", "GET"), ("_doc", "PUT")):
        index_proxy.fail_next(2, status=status, path_contains=path, method=method)
    done = world.run(*SMALL_CHIPS, index=index_proxy.url)
    assert (done.exit_code, done.images, done.stderr) == (0, {"indexed": 2}, "")
    assert done.calls == 2 * SO_MANY
    assert [len(world.cars(key)) for key in ("a.tif", "b.tif")] == [1, 1]


@pytest.mark.parametrize("status", [429, 503])
def test_single_documents_that_the_index_has_no_room_for_are_sent_again(world, index_proxy, status):
    cars = tuple((float(left), 20.0, left + 30.0, 50.0) for left in range(20, 380, 60))
    world.put("a.tif", tiff(picture(cars=cars)))
    index_proxy.fail_items_of_next(2, status=status, which=lambda place: place % 2 == 0)
    done = world.run(index=index_proxy.url)
    assert (done.exit_code, done.images) == (0, {"indexed": 1})
    assert len(world.cars("a.tif")) == len(cars)
    bulks = index_proxy.seen(path_contains="_bulk")
    assert [len(bulk.lines) for bulk in bulks] == sorted((len(bulk.lines) for bulk in bulks), reverse=True)
    assert len(bulks) == 3


def test_a_document_that_the_index_refuses_for_its_shape_is_found_without_it(world, index_proxy):
    world.put("a.tif", good())
    world.put("b.tif", good())
    index_proxy.fail_items_of_next(1, status=400, which=lambda place: place >= 0, kind="mapper_parsing_exception")
    done = world.run(index=index_proxy.url)
    assert (done.exit_code, done.images) == (0, {"indexed": 2})
    [car] = [label for label in world.labels("a.tif") if label.label == "Car"]
    assert car.geometry is None
    assert car.center is not None
    [other] = [label for label in world.labels("b.tif") if label.label == "Car"]
    assert other.geometry is not None


def test_a_document_that_the_index_refuses_in_every_form_fails_its_image_alone(world, index_proxy):
    world.put("a.tif", good())
    world.put("b.tif", good())
    index_proxy.fail_items_of_next(2, status=400, which=lambda place: place >= 0, kind="mapper_parsing_exception")
    done = world.run(index=index_proxy.url)
    assert (done.exit_code, done.images) == (65, {"failed": 1, "indexed": 1})
    assert done.summary["errors"] == {"bad_geometry": 1}
    assert "OpenSearch answered 400: played 400" in done.stderr
    assert len(world.cars("b.tif")) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_an_index_that_says_no_stops_the_run_before_anything_is_paid(world, index_proxy, status):
    world.put("a.tif", good())
    index_proxy.fail_next(FOR_EVER, status=status)
    done = world.run(index=index_proxy.url)
    assert (done.exit_code, done.calls) == (78, 0)
    assert f"OpenSearch answered {status}" in done.stderr
    assert "may this identity read and write the indices?" in done.stderr


def test_with_30_percent_of_the_calls_throttled_every_object_is_found(world):
    cars = tuple((left, top, left + 24.0, top + 16.0) for left in range(10, 1000, 90) for top in range(10, 700, 70))
    world.put("a.tif", tiff(picture(width=1040, height=720, cars=cars)))
    behaviour = Behaviour(throttle_share=0.3, seed=5)
    with serving(RekognitionSettings(behaviour=behaviour)) as rekognition:
        done = world.run("--chip-px", "256", detector=f"rekognition@{rekognition}")
        stats = served(rekognition)
    assert (done.exit_code, done.images) == (0, {"indexed": 1})
    found = world.cars("a.tif")
    assert len(found) == len(cars)
    for box, car in zip(found, sorted(cars), strict=True):
        assert box == pytest.approx(car, abs=1)
    chips = done.summary["chips"]
    assert done.summary["calls"] == {"answered": stats["answered"], "throttled": stats["throttled"]}
    assert stats["throttled"] > 0
    assert stats["answered"] == chips["sent"] == chips["total"]


def test_server_errors_of_rekognition_are_waited_out(world):
    world.put("a.tif", good())
    with serving(RekognitionSettings(behaviour=Behaviour(error_share=0.3))) as rekognition:
        done = world.run(*SMALL_CHIPS, detector=f"rekognition@{rekognition}")
        assert served(rekognition)["errors"] > 0
    assert (done.exit_code, done.images, done.calls) == (0, {"indexed": 1}, SO_MANY)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("AKIADENIED", "AccessDeniedException"),
        ("AKIAUNKNOWN", "UnrecognizedClientException"),
        ("AKIAEXPIRED", "ExpiredTokenException"),
    ],
)
def test_with_wrong_credentials_the_run_stops_at_once_and_no_image_fails(world, key, code):
    keys = [f"{number}.tif" for number in range(5)]
    for one in keys:
        world.put(one, good())
    with serving() as rekognition:
        env = {"AWS_ACCESS_KEY_ID": key}
        done = world.run(*SMALL_CHIPS, detector=f"rekognition@{rekognition}", env=env)
        refused = served(rekognition)["rejected"]
    assert (done.exit_code, done.images) == (78, {"left": 1})
    assert "error: asking Rekognition about s3://" in done.stderr
    assert code in done.stderr
    assert 1 <= refused <= 8  # the calls in flight
    assert world.run(*SMALL_CHIPS).images == {"indexed": len(keys)}


def test_with_wrong_credentials_a_file_is_closed_properly(tmp_path):
    (tmp_path / "a.tif").write_bytes(good())
    path = tmp_path / "found.geojson"
    with serving() as rekognition:
        arguments = ("run", tmp_path / "a.tif", "--to", path, "--detector", f"rekognition@{rekognition}", "--json")
        done = imagery_backfill(*arguments, env={"AWS_ACCESS_KEY_ID": "AKIADENIED"})
    assert (done.exit_code, done.images) == (78, {"left": 1})
    assert "not authorized to perform: rekognition:DetectLabels" in done.stderr
    [left] = Written.read(path).features
    assert (left["properties"]["status"], left["geometry"]) == ("left", None)
    assert "not authorized" in left["properties"]["reason"]


def test_without_credentials_the_run_stops_at_once(world, tmp_path):
    world.put("a.tif", good())
    env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(tmp_path)}
    done = world.run(env=env)
    assert done.exit_code == 78
    assert "Unable to locate credentials" in done.stderr


def test_a_bucket_that_is_not_ours_stops_the_run_and_names_the_permission(world):
    world.put("a.tif", good())
    with fault_proxy(world.s3_endpoint) as proxy:
        proxy.fail_next(FOR_EVER, status=403, body=S3_SAYS_NO)
        done = world.run(s3_endpoint=proxy.url)
    assert done.exit_code == 78
    assert f"listing s3://{world.bucket}/ (needs s3:ListBucket): AccessDenied: not you" in done.stderr


def test_what_is_paid_for_a_file_is_not_bought_again_when_s3_fails_in_between(world, tmp_path):
    """Rows of the image come by and by; the first read fails for good at some place, the next visit goes on there."""
    world.put("a.tif", tiff(picture(width=800, height=4000)))
    path = tmp_path / "found.geojson"
    with fault_proxy(world.s3_endpoint) as proxy, serving() as rekognition:
        reads = itertools.count()

        def fails_late(request: Request, upstream: Upstream) -> Answer:
            if 1 <= next(reads) < 1 + ATTEMPTS:
                raise DroppedError
            return upstream(request)

        proxy.change_next(FOR_EVER, fails_late, path_contains="a.tif", method="GET")
        where = ("--s3-endpoint", proxy.url, "--detector", f"rekognition@{rekognition}", "--json")
        chips = ("--chip-px", "128", "--overview-pass", "no")  # the overview would read all of it before the first chip
        done = imagery_backfill("run", f"s3://{world.bucket}", "--to", path, *where, *chips)
        served_calls = served(rekognition)["answered"]
    assert (done.exit_code, done.images) == (0, {"indexed": 1})
    assert done.summary["chips"]["from_archive"] > 0
    assert served_calls <= done.summary["chips"]["total"] + 8  # the calls in flight


def test_an_archive_that_is_not_there_stops_the_run_before_anything_is_paid(world):
    world.put("a.tif", good())
    with serving() as rekognition:
        done = world.run(archive="s3://no-such-bucket/x", detector=f"rekognition@{rekognition}")
        assert served(rekognition)["calls"] == 0
    assert done.exit_code == 78
    assert "NoSuchBucket" in done.stderr


def test_s3_that_fails_for_a_moment_is_asked_again(world):
    world.put("a.tif", good())
    with fault_proxy(world.s3_endpoint) as proxy:
        proxy.fail_next(1, status=503, body="<Error><Code>SlowDown</Code></Error>", path_contains="a.tif", method="GET")
        proxy.drop_next(1, path_contains="a.tif", method="HEAD")
        proxy.drop_next(1, path_contains=world.archive, method="PUT")
        done = world.run(s3_endpoint=proxy.url)
    assert (done.exit_code, done.images, done.calls) == (0, {"indexed": 1}, 1)
    [car] = world.cars("a.tif")
    assert car == pytest.approx(CAR, abs=1)
