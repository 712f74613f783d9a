import pytest

from local.emulation.addresses import ENDPOINT_VARIABLE, reachable


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "127.0.0.1:9200")
    return "127.0.0.1:9200"


def test_the_domains_address_is_reached_without_tls(endpoint: str) -> None:
    told = {"BACKFILL_INDEX_URL": f"https://{endpoint}", "OTHER": f"https://{endpoint}/_dashboards"}
    assert reachable(told) == {"BACKFILL_INDEX_URL": f"http://{endpoint}", "OTHER": f"http://{endpoint}/_dashboards"}


@pytest.mark.parametrize(
    "value", ["https://127.0.0.1:92001", "https://example.org", "s3://bucket", "", "see https://127.0.0.1:9200"]
)
def test_other_values_stay_as_they_are(endpoint: str, value: str) -> None:
    assert reachable({"NAME": value}) == {"NAME": value}


def test_without_a_stand_in_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    assert reachable({"NAME": "https://127.0.0.1:9200"}) == {"NAME": "https://127.0.0.1:9200"}
