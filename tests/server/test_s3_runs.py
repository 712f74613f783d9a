import threading
from collections.abc import Iterator
from typing import Any

import pytest

from batch_job.adapters.s3 import s3_client
from batch_job.adapters.s3_runs import S3RunStore, S3Streams
from batch_job.errors import ChangedError, ConflictError
from local.emulator import KEY, REGION

pytestmark = pytest.mark.server


@pytest.fixture
def client(s3_endpoint: str) -> Iterator[Any]:
    made = s3_client(endpoint_url=s3_endpoint, region=REGION, access_key=KEY, secret_key=KEY)
    yield made
    made.close()


@pytest.fixture
def store(client: Any, bucket: str) -> S3RunStore:
    return S3RunStore(client, bucket=bucket, prefix="runs of/all")


def test_what_was_written_is_read_with_its_etag(store: S3RunStore):
    assert store.read("k") is None
    etag = store.put_over("k", b"one", over=None)
    stored = store.read("k")
    assert stored is not None
    assert (stored.body, stored.etag) == (b"one", etag)
    assert store.get("k") == b"one"


def test_only_what_is_as_seen_is_written_over(store: S3RunStore):
    first = store.put_over("seen", b"one", over=None)
    with pytest.raises(ConflictError):
        store.put_over("seen", b"two", over=None)
    second = store.put_over("seen", b"two", over=first)
    with pytest.raises(ConflictError):
        store.put_over("seen", b"three", over=first)
    assert store.read("seen") is not None
    assert store.get("seen") == b"two"
    assert second != first


def test_nothing_is_written_over_what_is_not_there(store: S3RunStore):
    with pytest.raises(ConflictError):
        store.put_over("none", b"one", over="0" * 32)
    assert store.get("none") is None


def test_of_many_that_write_first_one_does(store: S3RunStore):
    won: list[int] = []
    barrier = threading.Barrier(6)

    def write(number: int) -> None:
        barrier.wait()
        try:
            store.put_over("race", str(number).encode(), over=None)
        except ConflictError:
            return
        won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.get("race") == str(won[0]).encode()


def test_an_object_is_read_as_a_stream(client: Any, bucket: str):
    body = bytes(range(256)) * 1000
    client.put_object(Bucket=bucket, Key="a b+c%20.csv.gz", Body=body)
    with S3Streams(client)(bucket=bucket, key="a b+c%20.csv.gz") as stream:
        pieces = [stream.read(100), stream.read(100_000)]
        pieces += [stream.read(-1), stream.read(10)]
    assert [len(piece) for piece in pieces] == [100, 100_000, 155_900, 0]
    assert b"".join(pieces) == body


def test_there_is_no_stream_of_nothing(client: Any, bucket: str):
    with pytest.raises(ChangedError, match="none"), S3Streams(client)(bucket=bucket, key="none"):
        pytest.fail("opened")


def test_what_is_deleted_is_gone_and_may_be_deleted_again(store: S3RunStore):
    store.put("gone", b"one")
    store.delete("gone")
    store.delete("gone")
    assert store.get("gone") is None
