import base64
import io
import json
from collections.abc import Callable, Iterator

import boto3
import pytest
from PIL import Image

from batch_job.adapters.aws_errors import REKOGNITION
from batch_job.adapters.calls import Flow, Patience
from batch_job.adapters.rekognition import RekognitionDetector, rekognition_client
from batch_job.detection.answers import parse
from batch_job.errors import AccessError, DetectorDownError, InputError, SettingsError, ThrottledError, UnavailableError
from batch_job.values.answers import Answer, ChipRejected, RawAnswer
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Chip, ChipFrame, Window
from tests.scripted_server import Request, Response, Scripted, scripted

WINDOW = Window(col_off=7, row_off=9, width=100, height=80)
CHIP = Chip(
    ImageRef(bucket="b", key="k.tif"), ChipFrame(WINDOW, 100, 80, 100, 80), body=b"pixels", media_type="image/png"
)
SAID = {"Labels": [{"Name": "Harbor", "Confidence": 70.5}], "LabelModelVersion": "3.0"}
IMPATIENT = Patience(throttled_attempts=1, unavailable_attempts=1)
DECLARED = {
    shape.name
    for shape in boto3.client("rekognition", region_name="us-east-1")
    .meta.service_model.operation_model("DetectLabels")
    .error_shapes
}


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def says(facts: object, status: int = 200) -> Callable[[Request], Response]:
    body = json.dumps(facts).encode()
    return lambda _: Response(status, body, {"Content-Type": "application/x-amz-json-1.1"})


def refuses(code: str, status: int = 400) -> Callable[[Request], Response]:
    return says({"__type": code, "Message": "because"}, status)


def detect(url: str, *chips: Chip, calls_in_flight: int = 1) -> list[Answer]:
    client = rekognition_client(endpoint_url=url, region="us-east-1", calls_in_flight=calls_in_flight)
    flow = Flow(calls_in_flight=calls_in_flight, patience=IMPATIENT)
    detector = RekognitionDetector(client, min_confidence=40.5, flow=flow)
    try:
        return list(detector.detect(chips or [CHIP], keep=lambda: None))
    except DetectorDownError as error:
        raise error.__cause__ or error from None  # what the adapter made of the refusal, before the loop gave up
    finally:
        client.close()


@pytest.fixture
def answering() -> Iterator[Scripted]:
    with scripted(says(SAID)) as server:
        yield server


def test_the_bytes_go_out_with_the_limits(answering: Scripted) -> None:
    detect(answering.url)
    [request] = answering.requests
    assert request.headers["x-amz-target"] == "RekognitionService.DetectLabels"
    assert json.loads(request.body) == {
        "Image": {"Bytes": base64.b64encode(b"pixels").decode()},
        "MinConfidence": 40.5,
        "MaxLabels": 1000,
    }


def test_the_answer_is_the_services_json_and_its_model_version(answering: Scripted) -> None:
    [answer] = detect(answering.url)
    assert isinstance(answer, RawAnswer)
    assert json.loads(answer.body) == SAID
    assert (answer.engine, answer.model_version, answer.frame) == ("rekognition", "3.0", CHIP.frame)


def test_the_answer_can_be_parsed(answering: Scripted) -> None:
    [answer] = detect(answering.url)
    assert isinstance(answer, RawAnswer)
    assert [(found.label.name, found.confidence) for found in parse(answer)] == [("Harbor", 70.5)]


def test_every_declared_error_is_sorted() -> None:
    assert len(DECLARED) > 5
    assert REKOGNITION.keys() >= DECLARED


@pytest.mark.parametrize("code", sorted(DECLARED))
def test_every_declared_error_ends_as_the_table_says(code: str) -> None:
    with scripted(refuses(code)) as server:
        kind = REKOGNITION[code]
        if issubclass(kind, InputError):
            [answer] = detect(server.url)
            assert isinstance(answer, ChipRejected)
            assert (answer.code, answer.frame) == (code, CHIP.frame)
            assert answer.message == f"asking Rekognition about s3://b/k.tif {WINDOW}: {code}: because"
        else:
            with pytest.raises(kind, match=code):
                detect(server.url)


def test_a_rejected_chip_leaves_its_neighbours_alone() -> None:
    responds = iter([refuses("ImageTooLargeException"), says(SAID)])

    def respond(request: Request) -> Response:
        return next(responds)(request)

    with scripted(respond) as server:
        assert [type(answer) for answer in detect(server.url, CHIP, CHIP)] == [ChipRejected, RawAnswer]


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError"])
def test_an_attempt_is_one_request(code: str) -> None:
    with scripted(refuses(code, status=500)) as server:
        with pytest.raises((ThrottledError, UnavailableError)):
            detect(server.url)
        assert len(server.requests) == 1


def test_nobody_at_the_endpoint_is_unavailable() -> None:
    with scripted(says(SAID)) as server:
        pass
    with pytest.raises(UnavailableError, match=r"s3://b/k\.tif"):
        detect(server.url)


def test_missing_credentials_stop_the_run(answering: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(AccessError, match="credentials"):
        detect(answering.url)
    assert answering.requests == []


def test_a_client_without_a_region_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(SettingsError, match="region"):
        rekognition_client(calls_in_flight=1)


def test_the_client_has_a_connection_for_every_call_and_its_limits_written_down() -> None:
    client = rekognition_client(region="us-east-1", calls_in_flight=40)
    config = client.meta.config
    assert config.max_pool_connections == 40
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert (config.connect_timeout, config.read_timeout) == (5, 30)
    client.close()


@pytest.mark.server
def test_the_stand_in_finds_what_is_painted(rekognition_url: str) -> None:
    picture = Image.new("RGB", (200, 120), (90, 90, 90))
    picture.paste((230, 20, 20), (40, 30, 80, 50))
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    frame = ChipFrame(Window(col_off=0, row_off=0, width=200, height=120), 200, 120, 200, 120)
    [answer] = detect(rekognition_url, Chip(CHIP.image, frame, encoded.getvalue(), "image/png"))
    assert isinstance(answer, RawAnswer)
    [car] = [found for found in parse(answer, min_confidence=40.5) if found.box is not None]
    assert car.label.name == "Car"
    box = car.box
    assert (box.min_col, box.min_row, box.max_col, box.max_row) == pytest.approx((40, 30, 80, 50), abs=0.01)
