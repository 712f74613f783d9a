"""Which calls cost money."""

import pytest

from batch_job.spend.prices import is_paid, price_of_calls


@pytest.mark.parametrize(
    "detector",
    [
        "rekognition",
        "rekognition@https://rekognition-fips.us-east-1.amazonaws.com",
        "rekognition@https://vpce-1.rekognition.eu-west-1.vpce.amazonaws.com",
    ],
)
def test_the_service_is_paid_by_whatever_endpoint(detector):
    assert is_paid(detector)
    assert price_of_calls(1500, detector=detector) == 1.5


@pytest.mark.parametrize(
    "detector",
    ["rekognition@http://127.0.0.1:8080", "rekognition@http://localhost:1", "http@https://model.example.com"],
)
def test_stand_ins_and_own_models_are_not(detector):
    assert not is_paid(detector)
    assert price_of_calls(1500, detector=detector) is None
