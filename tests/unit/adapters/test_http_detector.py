from collections.abc import Iterator
from email.utils import formatdate

import pytest

from batch_job.adapters import http_detector
from batch_job.adapters.calls import Flow, Patience
from batch_job.adapters.http_detector import MAX_RETRY_AFTER_S, HttpDetector
from batch_job.errors import AccessError, DetectorDownError, SettingsError, SetUpError, ThrottledError, UnavailableError
from batch_job.values.answers import Answer, ChipRejected, RawAnswer
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Chip, ChipFrame, Window
from tests.scripted_server import Response, Scripted, scripted

WINDOW = Window(col_off=7, row_off=9, width=100, height=80)
FRAME = ChipFrame(WINDOW, 100, 80, 100, 80)
CHIP = Chip(ImageRef(bucket="b", key="Schiff & Meer\n é.tif"), FRAME, body=b"\x00pixels", media_type="image/png")
IMPATIENT = Patience(throttled_attempts=1, unavailable_attempts=1)


def detect(
    url: str,
    *chips: Chip,
    calls_in_flight: int = 2,
) -> list[Answer]:
    flow = Flow(calls_in_flight=calls_in_flight, patience=IMPATIENT)
    detector = HttpDetector(url, flow=flow)
    try:
        return list(detector.detect(chips or [CHIP], keep=lambda: None))
    except DetectorDownError as error:
        raise error.__cause__ or error from None  # what the adapter made of the refusal, before the loop gave up
    finally:
        detector.close()


@pytest.fixture
def answering() -> Iterator[Scripted]:
    with scripted(lambda _: Response(body=b'[{"a": 1}]', headers={"X-Model-Version": "ships-7"})) as server:
        yield server


def test_the_bytes_go_out_by_post_with_their_media_type_image_and_window(answering: Scripted) -> None:
    detect(answering.url + "/model?threshold=1")
    [request] = answering.requests
    assert (request.method, request.path, request.body) == ("POST", "/model?threshold=1", b"\x00pixels")
    assert request.headers["content-type"] == "image/png"
    assert request.headers["x-image"] == "s3://b/Schiff%20%26%20Meer%0A%20%C3%A9.tif"
    assert request.headers["x-window"] == "7,9,100,80"


def test_the_answer_is_the_servers_bytes_and_its_model_version(answering: Scripted) -> None:
    assert detect(answering.url) == [RawAnswer(FRAME, engine="http", body=b'[{"a": 1}]', model_version="ships-7")]


def test_connections_are_used_again(answering: Scripted) -> None:
    assert len(detect(answering.url, *[CHIP] * 5)) == 5


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refused_chip_is_an_outcome_and_leaves_its_neighbours_alone(status: int) -> None:
    answers = iter([Response(status, b"too blue"), Response()])
    with scripted(lambda _: next(answers)) as server:
        rejected, answered = detect(server.url, CHIP, CHIP, calls_in_flight=1)
    assert isinstance(rejected, ChipRejected)
    assert rejected.code == f"HTTP{status}"
    assert "too blue" in rejected.message
    assert isinstance(answered, RawAnswer)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AccessError),
        (403, AccessError),
        (404, SetUpError),
        (405, SetUpError),
        (408, UnavailableError),
        (429, ThrottledError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_other_statuses_end_as_what_helps(status: int, error: type[Exception]) -> None:
    with scripted(lambda _: Response(status, b"why")) as server, pytest.raises(error, match=f"HTTP {status} b'why'"):
        detect(server.url)


def test_redirects_are_not_followed(answering: Scripted) -> None:
    moved = Response(307, b"", {"Location": answering.url})
    with scripted(lambda _: moved) as server, pytest.raises(SetUpError, match=f"not followed, to {answering.url}"):
        detect(server.url)
    assert answering.requests == []


@pytest.mark.parametrize(
    ("text", "waited_s"),
    [
        ("7", 7.0),
        ("999999", MAX_RETRY_AFTER_S),
        (formatdate(4e9, usegmt=True), MAX_RETRY_AFTER_S),
        (formatdate(0, usegmt=True), 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
    ],
    ids=["seconds", "too long", "date", "past date", "nonsense", "negative"],
)
@pytest.mark.parametrize("status", [429, 503])
def test_what_the_server_asks_to_wait_is_waited_within_reason(status: int, text: str, waited_s: float) -> None:
    answers = iter([Response(status, headers={"Retry-After": text}), Response()])
    slept: list[float] = []
    now_s = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now_s[0] += seconds

    with scripted(lambda _: next(answers)) as server:
        flow = Flow(calls_in_flight=1, now=lambda: now_s[0], sleep=sleep, chance=lambda: 0.0)
        detector = HttpDetector(server.url, flow=flow)
        assert len(list(detector.detect([CHIP], keep=lambda: None))) == 1
        detector.close()
    assert sum(slept) == waited_s


def test_an_attempt_is_one_request() -> None:
    with scripted(lambda _: Response(500)) as server:
        with pytest.raises(UnavailableError):
            detect(server.url)
        assert len(server.requests) == 1


def test_nobody_at_the_url_is_unavailable(answering: Scripted) -> None:
    with scripted(lambda _: Response()) as server:
        pass
    with pytest.raises(UnavailableError, match="asking http"):
        detect(server.url)


def test_a_server_that_hangs_up_is_unavailable() -> None:
    cut_short = Response(body=b"[", headers={"Content-Length": "100", "Connection": "close"})
    with scripted(lambda _: cut_short) as server, pytest.raises(UnavailableError):
        detect(server.url)


def test_an_answer_that_is_too_large_rejects_its_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_detector, "MAX_ANSWER_BYTES", 1000)
    answers = iter([Response(body=b"x" * 5_000_000), Response(body=b"y" * 1000)])
    with scripted(lambda _: next(answers)) as server:
        rejected, answered = detect(server.url, CHIP, CHIP, calls_in_flight=1)
    assert isinstance(rejected, ChipRejected)
    assert (rejected.code, rejected.message) == ("AnswerTooLarge", "the answer is larger than 1000 bytes")
    assert isinstance(answered, RawAnswer)


@pytest.mark.parametrize(
    "url", ["ftp://host/", "file:///etc/passwd", "host:80/", "", "http://", "http://user:secret@host/", "http://[::1"]
)
def test_what_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        HttpDetector(url, flow=Flow(calls_in_flight=1))
    assert "secret" not in str(refused.value)
