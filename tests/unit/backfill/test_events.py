"""Keys come as each channel writes them, and are decoded once."""

import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_job.backfill.events import Touched, read_hints
from batch_job.errors import InputError
from batch_job.values.image import ImageRef
from batch_job.values.work import WorkItem

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
ODD = "a b/é+1%20%2B&=?.tif"


def by_eventbridge(*, bucket="b", key="k.tif", **more) -> str:
    return json.dumps({"source": "aws.s3", "detail": {"bucket": {"name": bucket}, "object": {"key": key}}, **more})


def by_s3(*keys: str, bucket="b") -> str:
    records = [
        {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": k}}} for k in keys
    ]
    return json.dumps({"Records": records})


@given(KEYS)
def test_eventbridge_has_keys_as_they_are(key):
    assert read_hints(by_eventbridge(key=key)) == (Touched("b", key),)


@given(KEYS)
def test_notifications_have_keys_as_forms_do(key):
    assert read_hints(by_s3(quote_plus(key, safe="/"))) == (Touched("b", key),)


def test_a_key_that_looks_encoded_is_decoded_once_in_one_channel_and_never_in_the_other():
    assert read_hints(by_eventbridge(key="a%2Bb+c")) == (Touched("b", "a%2Bb+c"),)
    assert read_hints(by_s3("a%252Bb%2Bc+d")) == (Touched("b", "a%2Bb+c d"),)


def test_an_image_that_a_job_gave_back_is_a_message():
    assert read_hints(WorkItem(ImageRef("b", ODD), 7).to_text()) == (Touched("b", ODD),)


def test_a_notification_may_be_about_several_objects_and_repeat_one():
    assert read_hints(by_s3("b", "a", "b")) == (Touched("b", "b"), Touched("b", "a"))


@pytest.mark.parametrize("kind", ["Object Created", "Object Deleted", "Object Restore Completed", "Object Of Tomorrow"])
def test_what_happened_is_not_read(kind):
    assert read_hints(by_eventbridge(**{"detail-type": kind})) == (Touched("b", "k.tif"),)


def test_the_test_event_of_a_new_notification_is_about_nothing():
    body = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-01T00:00:00.000Z", "Bucket": "b"}
    assert read_hints(json.dumps(body)) == ()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "poison",
        "null",
        "[]",
        "7",
        '"detail"',
        "{}",
        '{"detail": null}',
        '{"detail": {"bucket": {"name": "b"}, "object": {}}}',
        by_eventbridge(key=""),
        by_eventbridge(key=None),
        by_eventbridge(bucket=["b"]),
        '{"Records": 1}',
        '{"Records": [{"eventSource": "aws:sns"}]}',
        by_s3("%ff"),
        by_s3("good.tif", ""),
        '{"Event": "s3:OfAnotherKind"}',
        r'{"detail": {"bucket": {"name": "b"}, "object": {"key": "\ud800"}}}',
    ],
)
def test_anything_else_is_refused_with_its_beginning(body):
    with pytest.raises(InputError, match="not a message about an object: "):
        read_hints(body)


def test_a_poison_message_is_shown_in_part_only():
    with pytest.raises(InputError) as error:
        read_hints("x" * 10_000)
    assert len(str(error.value)) < 300
