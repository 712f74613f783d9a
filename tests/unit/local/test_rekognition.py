"""The stand-in on the wire, asked by boto3's own client."""

import http.client
import io
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import orjson
import pytest
import simplejpeg
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from local.rekognition import Behaviour, RekognitionSettings, serving
from local.rekognition.faults import ServiceError
from local.rekognition.gate import TokenBucket
from local.rekognition.labels import PALETTE_HUES
from local.rekognition.request import parse_detect_labels

unhurried = settings(deadline=None)
"""Machines are shared: how long an example takes says nothing."""

TARGET = "RekognitionService.DetectLabels"
RED, BLUE = (255, 30, 30), (30, 30, 255)
MB = 1024**2


@contextmanager
def client_of(url: str, *, key: str = "AKIALOCAL") -> Iterator[Any]:
    """boto3's client as it comes, but that each call is one attempt."""
    client = boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="any",  # noqa: S106  no secret
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=16),
    )
    yield client
    client.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    with client_of(url) as client:
        yield client


@contextmanager
def behaving(**behaviour: Any) -> Iterator[Any]:
    with serving(RekognitionSettings(behaviour=Behaviour(**behaviour))) as url, client_of(url) as client:
        client.url = url
        yield client


def grey(width: int = 200, height: int = 100) -> np.ndarray:
    return np.full((height, width, 3), 110, dtype=np.uint8)


def jpeg(picture: np.ndarray) -> bytes:
    return bytes(simplejpeg.encode_jpeg(picture, quality=90))


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, format="PNG")
    return file.getvalue()


def many(colour: tuple[int, int, int], count: int) -> np.ndarray:
    """Squares of 20 px, 30 px apart, ten in a row."""
    picture = grey(320, 320)
    for place in range(count):
        row, col = 10 + 30 * (place // 10), 10 + 30 * (place % 10)
        picture[row : row + 20, col : col + 20] = colour
    return picture


def refusal(client: Any, **request: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        client.detect_labels(**request)
    answer = refused.value.response
    assert answer["Error"]["Message"]
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def raw(url: str, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, orjson.loads(answer.read())
    finally:
        connection.close()


def test_a_car_is_answered_as_the_service_would(client: Any) -> None:
    picture = grey(200, 100)
    picture[20:60, 50:100] = RED
    answer = client.detect_labels(Image={"Bytes": jpeg(picture)})
    assert answer["LabelModelVersion"] == "3.0"
    labels = {label["Name"]: label for label in answer["Labels"]}
    assert labels.keys() == {"Car", "Vehicle", "Transportation"}
    car = labels["Car"]
    assert car["Parents"] == [{"Name": "Transportation"}, {"Name": "Vehicle"}]
    assert car["Aliases"] == [{"Name": "Automobile"}]
    assert car["Categories"] == [{"Name": "Vehicles and Automotive"}]
    (instance,) = car["Instances"]
    assert instance["BoundingBox"] == {"Left": 0.25, "Top": 0.2, "Width": 0.25, "Height": 0.4}
    assert instance["Confidence"] == car["Confidence"] == pytest.approx(100 * 40 / 44, abs=1e-3)


def test_parents_are_labels_of_their_own_without_instances(client: Any) -> None:
    labels = client.detect_labels(Image={"Bytes": jpeg(many(RED, 1))})["Labels"]
    named = {label["Name"]: label for label in labels}
    for label in labels:
        for parent in label["Parents"]:
            assert named[parent["Name"]]["Instances"] == []


@pytest.mark.parametrize(("count", "lots"), [(7, 0), (8, 1)])
def test_many_cars_are_a_parking_lot_without_instances(client: Any, count: int, lots: int) -> None:
    labels = client.detect_labels(Image={"Bytes": jpeg(many(RED, count))})["Labels"]
    found = [label for label in labels if label["Name"] == "Parking Lot"]
    assert len(found) == lots
    assert all(label["Instances"] == [] and label["Confidence"] == 68 for label in found)


def test_nothing_is_an_answer_too(client: Any) -> None:
    assert client.detect_labels(Image={"Bytes": jpeg(grey())})["Labels"] == []


def test_the_same_picture_gives_the_same_answer(client: Any) -> None:
    answers = [client.detect_labels(Image={"Bytes": jpeg(many(BLUE, 30))})["Labels"] for _ in range(2)]
    assert answers[0] == answers[1]


def sliver(thickness: int) -> bytes:
    picture = grey()
    picture[30:80, :thickness] = RED
    return jpeg(picture)


def test_min_confidence_is_55_unless_given(client: Any) -> None:
    assert client.detect_labels(Image={"Bytes": sliver(4)})["Labels"] == []
    assert client.detect_labels(Image={"Bytes": sliver(4)}, MinConfidence=50)["Labels"] != []
    assert client.detect_labels(Image={"Bytes": sliver(6)})["Labels"] != []
    assert client.detect_labels(Image={"Bytes": sliver(6)}, MinConfidence=60.5)["Labels"] == []


def test_unsure_instances_of_a_sure_label_are_left_out(client: Any) -> None:
    picture = grey()
    picture[30:80, 100:150], picture[30:80, :4] = RED, RED
    assert [
        len(label["Instances"])
        for confidence in (0, 55)
        for label in client.detect_labels(Image={"Bytes": jpeg(picture)}, MinConfidence=confidence)["Labels"]
        if label["Name"] == "Car"
    ] == [2, 1]


def test_max_labels_keeps_the_surest(client: Any) -> None:
    picture = many(RED, 3)
    picture[200:300, 100:200] = BLUE
    everything = client.detect_labels(Image={"Bytes": jpeg(picture)})["Labels"]
    assert [label["Confidence"] for label in everything] == sorted(
        (one["Confidence"] for one in everything), reverse=True
    )
    assert client.detect_labels(Image={"Bytes": jpeg(picture)}, MaxLabels=2)["Labels"] == everything[:2]
    assert client.detect_labels(Image={"Bytes": jpeg(picture)}, MaxLabels=0)["Labels"] == []


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"LabelInclusionFilters": ["Car"]}, {"Car"}),
        ({"LabelExclusionFilters": ["Car"]}, {"Vehicle", "Transportation", "Tree", "Plant"}),
        ({"LabelCategoryInclusionFilters": ["Plants and Flowers"]}, {"Tree", "Plant"}),
        ({"LabelCategoryExclusionFilters": ["Plants and Flowers"]}, {"Car", "Vehicle", "Transportation"}),
        ({"LabelInclusionFilters": ["Car"], "LabelCategoryInclusionFilters": ["Plants and Flowers"],
          "LabelExclusionFilters": ["Plant"]}, {"Car", "Tree"}),
    ],
)  # fmt: skip
def test_filters_choose_labels(client: Any, filters: dict[str, list[str]], names: set[str]) -> None:
    picture = many(RED, 1)
    picture[200:300, 100:200] = (40, 230, 40)
    answer = client.detect_labels(Image={"Bytes": jpeg(picture)}, Settings={"GeneralLabels": filters})
    assert {label["Name"] for label in answer["Labels"]} == names


def test_image_properties_are_given_where_asked(client: Any) -> None:
    answer = client.detect_labels(
        Image={"Bytes": jpeg(many(RED, 9))},
        Features=["IMAGE_PROPERTIES"],
        Settings={"ImageProperties": {"MaxDominantColors": 2}},
    )
    assert answer["Labels"] == []
    assert [colour["HexCode"] for colour in answer["ImageProperties"]["DominantColors"]] == ["#666666", "#ff1111"]


# only a header: whoever decodes before looking at it finds a broken file instead
BOMB = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0) + bytes(100)

BYTES = {"Bytes": jpeg(grey())}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"Image": {"Bytes": b"GIF89a" + bytes(200)}}, "InvalidImageFormatException"),
        ({"Image": {"Bytes": b"II*\x00" + bytes(200)}}, "InvalidImageFormatException"),
        ({"Image": {"Bytes": jpeg(grey())[:300]}}, "InvalidImageFormatException"),
        ({"Image": {"Bytes": jpeg(grey(79, 80))}}, "InvalidParameterException"),
        ({"Image": {"Bytes": jpeg(grey(80, 79))}}, "InvalidParameterException"),
        ({"Image": {"Bytes": png(10_001, 80)}}, "ImageTooLargeException"),
        ({"Image": {"Bytes": png(80, 10_001)}}, "ImageTooLargeException"),
        ({"Image": {"Bytes": BOMB}}, "ImageTooLargeException"),
        ({"Image": {"Bytes": bytes(5 * MB + 1)}}, "ValidationException"),
        ({"Image": {"Bytes": b""}}, "ValidationException"),
        ({"Image": {}}, "InvalidParameterException"),
        ({"Image": {**BYTES, "S3Object": {"Bucket": "bucket", "Name": "key"}}}, "InvalidParameterException"),
        ({"Image": {"S3Object": {"Bucket": "bucket"}}}, "InvalidParameterException"),
        ({"Image": {"S3Object": {"Bucket": "bucket", "Name": "key"}}}, "InvalidS3ObjectException"),
        ({"Image": BYTES, "MinConfidence": 100.5}, "ValidationException"),
        ({"Image": BYTES, "Features": ["FACES"]}, "ValidationException"),
        ({"Image": BYTES, "Features": ["GENERAL_LABELS"] * 3}, "ValidationException"),
        (
            {"Image": BYTES, "Settings": {"GeneralLabels": {"LabelInclusionFilters": ["Car"] * 101}}},
            "ValidationException",
        ),
        (
            {"Image": BYTES, "Settings": {"GeneralLabels": {"LabelExclusionFilters": ["x" * 51]}}},
            "ValidationException",
        ),
        (
            {"Image": BYTES, "Settings": {"GeneralLabels": {"LabelInclusionFilters": ["Unicorn"]}}},
            "InvalidParameterException",
        ),
        ({"Image": BYTES, "Settings": {"ImageProperties": {"MaxDominantColors": 21}}}, "ValidationException"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_service_refuses_is_refused_with_its_code(client: Any, request_: Any, code: str) -> None:
    assert refusal(client, **request_) == (code, 400)


def test_the_limits_themselves_are_allowed(client: Any) -> None:
    edge = jpeg(grey(80, 80))
    # bytes after the end of a JPEG are nobody's concern
    padded = edge + bytes(5 * MB - len(edge))
    for picture in (edge, padded, png(10_000, 80), png(80, 10_000)):
        assert client.detect_labels(Image={"Bytes": picture}, MinConfidence=100, MaxLabels=5000)["Labels"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "SerializationException"),
        (b"{", "SerializationException"),
        (b"[]", "SerializationException"),
        (b"\xff\xfe", "SerializationException"),
        (b"{}", "ValidationException"),
        (b'{"Image": []}', "SerializationException"),
        (b'{"Image": {"Bytes": 5}}', "SerializationException"),
        (b'{"Image": {"Bytes": "not base64!"}}', "SerializationException"),
        (b'{"Image": {"Bytes": "QUJD"}, "MaxLabels": "5"}', "SerializationException"),
        (b'{"Image": {"Bytes": "QUJD"}, "MaxLabels": 5.5}', "SerializationException"),
        (b'{"Image": {"Bytes": "QUJD"}, "MaxLabels": -1}', "ValidationException"),
        (b'{"Image": {"Bytes": "QUJD"}, "MinConfidence": true}', "SerializationException"),
        (b'{"Image": {"Bytes": "QUJD"}, "MinConfidence": -0.1}', "ValidationException"),
        (b'{"Image": {"S3Object": {"Bucket": "ab", "Name": "k"}}}', "ValidationException"),
        (b'{"Image": {"S3Object": {"Bucket": "abc", "Name": 7}}}', "SerializationException"),
        (b'{"Image": {"Bytes": "QUJD"}, "Features": "ALL"}', "SerializationException"),
    ],
)
def test_malformed_requests_are_refused_by_kind(url: str, body: bytes, code: str) -> None:
    status, answer = raw(url, "POST", "/", body, X_Amz_Target=TARGET, Authorization="Credential=AKIALOCAL/x")
    assert (status, answer["__type"]) == (400, code)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = ["Image", "MaxLabels", "MinConfidence", "Features", "Settings"]


@unhurried
@given(st.dictionaries(st.sampled_from(MEMBERS), json_values))
def test_no_request_breaks_the_parser(request_: dict[str, Any]) -> None:
    image = {"Image": {"Bytes": "QUJD"}, **request_}
    for body in (orjson.dumps(request_, default=str), orjson.dumps(image, default=str)):
        # anything but a ServiceError fails the test
        with suppress(ServiceError):
            parse_detect_labels(body)


def test_other_operations_and_doors_are_unknown(url: str, client: Any) -> None:
    with pytest.raises(ClientError, match="UnknownOperationException"):
        client.detect_faces(Image=BYTES)
    assert raw(url, "GET", "/elsewhere")[0] == 404
    assert raw(url, "POST", "/", b"{}", Authorization="Credential=x")[1]["__type"] == "UnknownOperationException"


def test_a_body_of_unknown_or_unheard_of_size_is_refused(url: str) -> None:
    assert raw(url, "POST", "/", None, Content_Length=str(100 * MB))[0] == 413
    assert raw(url, "POST", "/", None, Content_Length="-5")[0] == 411


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("AKIADENIED", "AccessDeniedException"),
        ("AKIAUNKNOWN", "UnrecognizedClientException"),
        ("AKIAEXPIRED", "ExpiredTokenException"),
    ],
)
def test_some_access_keys_play_wrong_credentials(url: str, key: str, code: str) -> None:
    with client_of(url, key=key + "0001") as client:
        assert refusal(client, Image=BYTES) == (code, 400)


def test_an_unsigned_call_is_refused(url: str) -> None:
    assert raw(url, "POST", "/", b"{}", X_Amz_Target=TARGET)[1]["__type"] == "MissingAuthenticationTokenException"


def test_a_server_without_quota_never_throttles(client: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.detect_labels(Image=BYTES), range(50)))


def test_calls_over_the_quota_are_refused_with_status_400() -> None:
    with behaving(quota_per_s=0.001, burst=3) as client:
        for _ in range(3):
            client.detect_labels(Image=BYTES)
        assert refusal(client, Image=BYTES) == ("ProvisionedThroughputExceededException", 400)


@unhurried
@given(per_s=st.floats(0.5, 100), burst=st.integers(1, 20), waits=st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_a_token_bucket_lets_through_its_rate_and_its_burst_and_no_more(
    per_s: float, burst: int, waits: list[float]
) -> None:
    now_s = [0.0]
    bucket = TokenBucket(per_s=per_s, burst=burst, now=lambda: now_s[0])
    let_in = 0
    for wait in waits:
        now_s[0] += wait
        let_in += bucket.take()
    assert let_in <= burst + now_s[0] * per_s + 1e-6
    assert let_in >= min(len(waits), burst)


def test_a_token_bucket_fills_at_its_rate_up_to_its_burst() -> None:
    now_s = [0.0]
    bucket = TokenBucket(per_s=2, burst=3, now=lambda: now_s[0])
    let_in = []
    for wait_s in (0, 0.5, 0.25, 0.25, 100):
        now_s[0] += wait_s
        let_in.append(sum(bucket.take() for _ in range(10)))
    assert let_in == [3, 1, 0, 1, 3]


def fates(client: Any, calls: int = 60) -> list[str]:
    found = []
    for _ in range(calls):
        try:
            client.detect_labels(Image=BYTES)
            found.append("")
        except ClientError as error:
            found.append(error.response["Error"]["Code"])
    return found


def test_shares_of_calls_are_throttled_or_fail_the_same_ones_for_one_seed() -> None:
    behaviour = {"throttle_share": 0.3, "error_share": 0.2}
    with behaving(**behaviour, seed=1) as client:
        first = fates(client)
        stats = raw(client.url, "GET", "/_stats")[1]
    counts = Counter(first)
    assert 8 <= counts["ThrottlingException"] <= 28
    assert 3 <= counts["InternalServerError"] <= 18
    assert stats == {
        "calls": 60,
        "answered": counts[""],
        "throttled": counts["ThrottlingException"],
        "rejected": 0,
        "errors": counts["InternalServerError"],
        "bytes": counts[""] * len(BYTES["Bytes"]),
    }
    with behaving(**behaviour, seed=1) as client:
        assert fates(client) == first
    with behaving(**behaviour, seed=2) as client:
        assert fates(client) != first


def test_a_failure_of_the_service_has_status_500() -> None:
    with behaving(error_share=1) as client:
        assert refusal(client, Image=BYTES) == ("InternalServerError", 500)


def test_behaviour_changes_at_run_time() -> None:
    with behaving() as client:
        assert fates(client, 3) == [""] * 3
        status, now = raw(client.url, "POST", "/_settings", b'{"throttle_share": 1, "latency_ms": 1}')
        assert (status, now["throttle_share"], now["latency_ms"], now["quota_per_s"]) == (200, 1, 1, None)
        assert fates(client, 3) == ["ThrottlingException"] * 3
        raw(client.url, "POST", "/_settings", b'{"throttle_share": 0}')
        assert fates(client, 3) == [""] * 3


@pytest.mark.parametrize(
    "change", [b"{", b"[]", b"5", b'{"speed": 3}', b'{"throttle_share": 2}', b'{"burst": "3"}', b'{"quota_per_s": 0}']
)
def test_a_change_that_cannot_be_is_refused_and_changes_nothing(url: str, change: bytes) -> None:
    before = raw(url, "POST", "/_settings", b"{}")[1]
    status, answer = raw(url, "POST", "/_settings", change)
    assert (status, answer["__type"]) == (400, "ValidationException")
    assert raw(url, "POST", "/_settings", b"{}")[1] == before


def test_latency_is_waited_for_by_each_call_and_not_by_all_in_turn() -> None:
    begun = time.monotonic()
    with behaving(latency_ms=100) as client, ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: client.detect_labels(Image=BYTES), range(10)))
    took_s = time.monotonic() - begun
    assert took_s >= 0.1


STORED = {
    "/bucket/a%20key%2B%25.jpg": jpeg(many(RED, 2)),
    "/bucket/large.png": png(100, 100) + bytes(15 * MB),
    "/bucket/over-inline.jpg": jpeg(many(RED, 2)) + bytes(6 * MB),
}


class _Bucket(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = STORED.get(self.path.partition("?")[0])
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body or b"")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def s3_client_of_stand_in() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bucket) as bucket:
        thread = threading.Thread(target=bucket.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        s3_endpoint_url = f"http://127.0.0.1:{bucket.server_address[1]}"
        with serving(RekognitionSettings(s3_endpoint_url=s3_endpoint_url)) as url, client_of(url) as client:
            yield client
        bucket.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["a key+%.jpg", "over-inline.jpg"])
def test_a_picture_is_read_from_s3(s3_client_of_stand_in: Any, name: str) -> None:
    answer = s3_client_of_stand_in.detect_labels(Image={"S3Object": {"Bucket": "bucket", "Name": name}})
    assert [len(label["Instances"]) for label in answer["Labels"] if label["Name"] == "Car"] == [2]


@pytest.mark.parametrize(
    ("name", "code"), [("nowhere.jpg", "InvalidS3ObjectException"), ("large.png", "ImageTooLargeException")]
)
def test_what_s3_does_not_give_or_gives_too_much_of_is_refused(
    s3_client_of_stand_in: Any, name: str, code: str
) -> None:
    assert refusal(s3_client_of_stand_in, Image={"S3Object": {"Bucket": "bucket", "Name": name}}) == (code, 400)


def test_a_client_that_goes_away_harms_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    with behaving() as client:
        connection = http.client.HTTPConnection(client.url.removeprefix("http://"))
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"half")
        # closed by a reset, as when a process is killed
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        client.detect_labels(Image=BYTES)
    assert capfd.readouterr().err == ""


def test_connections_are_kept_alive(url: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", "/_stats")
        connection.getresponse().read()
    assert connection.sock is first
    connection.close()


def test_leaving_the_context_ends_the_server_though_clients_hold_on() -> None:
    with serving() as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        connection.request("GET", "/_stats")
        connection.getresponse().read()
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        raw(url, "GET", "/_stats")


def test_as_a_process_it_says_where_it_listens_and_ends_when_told(tmp_path: Path) -> None:
    ports_file = tmp_path / "port"
    argv = [sys.executable, "-m", "local.rekognition", "--ports-file", str(ports_file), "--quota", "5", "--seed", "7"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip().removeprefix("listening on ")
        assert ports_file.read_text() == url.removeprefix("http://") + "\n"
        now = raw(url, "POST", "/_settings", b"{}")[1]
        assert (now["quota_per_s"], now["seed"]) == (5, 7)
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_settings_that_cannot_be_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    from local.rekognition.__main__ import main

    assert main(["--throttle-share", "2"]) == 2
    assert "throttle_share" in capsys.readouterr().err


def test_the_palette_covers_the_circle_evenly() -> None:
    assert sorted(PALETTE_HUES.values()) == list(range(0, 360, 60))
