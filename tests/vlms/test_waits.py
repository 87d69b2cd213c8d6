"""How long is waited before a question is asked again."""

from datetime import UTC, datetime

import pytest

from vlfeedback.vlms.client.waits import asked_wait, own_wait

NOW = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "Fri, 27 Nov 2026 12:00:07 GMT"}, 7.0),
        ({"retry-after": "Fri, 27 Nov 2026 13:00:07 +0100"}, 7.0),
        ({"retry-after": "Fri, 27 Nov 2026 12:00:07"}, 7.0),
        ({"retry-after": "Fri, 27 Nov 2026 11:59:00 GMT"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_the_server_s_word_is_read_in_seconds(
    headers: dict[str, str], wait_s: float | None
) -> None:
    assert asked_wait(headers, "", NOW) == wait_s


def test_google_says_it_in_the_body() -> None:
    body = '[{"error": {"details": [{"retryDelay": "34.5s"}]}}]'
    assert asked_wait({}, body, NOW) == 34.5
    assert asked_wait({"retry-after": "1"}, body, NOW) == 1.0


def test_our_own_waits_double_up_to_a_minute() -> None:
    key = "0" * 64
    waits = [own_wait(failures, first_s=1.0, key=key) for failures in (1, 2, 3, 7, 400)]
    assert waits == [1.0, 2.0, 4.0, 60.0, 60.0]


def test_questions_that_failed_together_do_not_come_back_together() -> None:
    waits = [own_wait(1, first_s=1.0, key=f"{share:08x}") for share in (0, 2**31, 2**32 - 1)]
    assert waits == pytest.approx([1.0, 0.875, 0.75])
