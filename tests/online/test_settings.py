import pytest

from vlfeedback.errors import InvalidValueError
from vlfeedback.online import FeedbackConfig


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", 50),
        ("decreasing", int(50 * (1000 - 250) / 1000)),
        ("increasing", int(50 * 1000 / (1000 - 250 + 1))),
    ],
)
def test_the_number_of_pairs_follows_the_schedule(schedule: str, expected: int) -> None:
    config = FeedbackConfig(labels_per_session=50, max_labels=10_000, schedule=schedule)
    assert config.n_queries(step=250, total_steps=1000, n_asked=10) == expected


def test_the_first_session_is_whole_under_any_schedule() -> None:
    config = FeedbackConfig(labels_per_session=50, schedule="decreasing")
    assert config.n_queries(step=900, total_steps=1000, n_asked=0) == 50


def test_a_session_never_asks_for_more_than_is_left_of_the_budget() -> None:
    config = FeedbackConfig(labels_per_session=50, max_labels=120)
    assert config.n_queries(step=1, total_steps=1000, n_asked=100) == 20
    assert config.n_queries(step=1, total_steps=1000, n_asked=120) == 0


def test_the_first_session_comes_after_random_actions_and_exploration() -> None:
    assert FeedbackConfig(random_steps=1000, exploration_steps=9000).first_session == 10_000


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"max_labels": 0}, "max_labels=0"),
        ({"exploration_steps": -1}, "exploration_steps=-1"),
        ({"sampler": "luck"}, "sampler='luck'"),
        ({"schedule": "never"}, "schedule='never'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(setting: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        FeedbackConfig(**setting)  # type: ignore[arg-type]
