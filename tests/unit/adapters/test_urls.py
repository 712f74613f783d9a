"""Addresses in messages."""

import pytest

from batch_job.adapters.calls import Flow, Patience
from batch_job.adapters.http_detector import HttpDetector
from batch_job.adapters.opensearch import open_client
from batch_job.adapters.urls import shown_url
from batch_job.errors import DetectorDownError, SettingsError
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Chip, ChipFrame, Window

FRAME = ChipFrame(
    Window(col_off=0, row_off=0, width=80, height=80),
    encoded_width=80,
    encoded_height=80,
    content_width=80,
    content_height=80,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/model", "https://host/model"),
        ("http://user:secret@host:8080/m?key=secret#secret", "http://host:8080/m"),
        ("http://[::1]:9/", "http://[::1]:9/"),
        ("user:secret@host", "an address without http:// or https://"),
        ("http://host:port-secret/", "an address that cannot be read"),
    ],
)
def test_what_may_be_secret_is_left_out(url, shown):
    assert shown_url(url) == shown


def test_an_index_address_that_is_refused_keeps_its_password():
    with pytest.raises(SettingsError) as error:
        open_client("user:secret@host")
    assert "secret" not in str(error.value)


def test_a_model_server_that_is_away_keeps_its_token():
    detector = HttpDetector(
        "http://127.0.0.1:9/model?key=secret", flow=Flow(calls_in_flight=1, patience=Patience(unavailable_attempts=1))
    )
    with pytest.raises(DetectorDownError, match=r"http://127\.0\.0\.1:9/model") as error:
        list(detector.detect([Chip(ImageRef("b", "k"), FRAME, b"x", "image/png")], keep=lambda: None))
    detector.close()
    assert "secret" not in str(error.value)
