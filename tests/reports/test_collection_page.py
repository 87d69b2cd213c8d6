import re
from dataclasses import replace

import numpy as np
import pytest

from vlfeedback.reports.collection_page import LevelSummary, collection_page, summarise_levels
from vlfeedback.types import Trajectory


def episode(level: str, rewards: list[float], success: int | None, stop: int) -> Trajectory:
    length = len(rewards)
    return Trajectory(
        observations=np.zeros((length + 1, 3), np.float32),
        actions=np.zeros((length, 4), np.float32),
        env_rewards=np.array(rewards, np.float32),
        successes=np.arange(length) >= (length if success is None else success),
        info={"level": level, "stop": stop},
    )


EPISODES = [
    episode("expert", [0.0, 2.0, 10.0, 10.0], 2, 4),
    episode("expert", [0.0, 0.0, 0.0, 10.0], 3, 4),
    episode("medium", [0.0, 2.0, 2.0, 2.0], None, 1),
    episode("medium", [0.0, 1.0, 2.0, 4.0], 3, 2),
]


def test_levels_are_summed_up_by_what_all_their_episodes_reach() -> None:
    assert summarise_levels(EPISODES) == [
        LevelSummary("expert", 2, 1.0, 2.5, None, 16.0, 10.0),
        LevelSummary("medium", 2, 0.5, 3.0, 1.5, 6.5, 3.0),
    ]


def test_what_the_data_does_not_say_stays_open() -> None:
    bare = Trajectory(np.zeros((2, 1), np.float32), np.zeros((1, 1), np.float32))
    assert summarise_levels([bare]) == [LevelSummary("", 1, None, None, None, None, None)]


def test_scenes_without_rewards_are_only_counted() -> None:
    scenes = [replace(EPISODES[0], env_rewards=None, successes=None, info={"level": "scattered"})]
    rows = summarise_levels([*EPISODES[:2], *scenes])
    assert rows[1] == LevelSummary("scattered", 1, None, None, None, None, None)
    page = collection_page(
        {"reach": "reach.png"}, {"reach": rows}, {}, title="scenes", instructions={}
    )
    assert re.search(r"<td>scattered</td><td>1</td>(<td></td>){5}<td [^>]*></td>", page)


@pytest.fixture
def page() -> str:
    return collection_page(
        {"reach": "reach.png"},
        {"reach": summarise_levels(EPISODES)},
        {"horizon": 150, "random_actions": "<u01>"},
        title="Dataset a&b",
        instructions={"reach": "reach the goal"},
    )


def test_the_page_shows_what_the_data_was_made_with_and_escapes_it(page: str) -> None:
    assert "<dt>horizon</dt><dd>150</dd>" in page
    assert "<dt>random_actions</dt><dd>&#34;&lt;u01&gt;&#34;</dd>" in page
    assert "<h1>Dataset a&amp;b</h1>" in page and "a&b" not in page
    assert "“reach the goal”" in page
    assert '<img src="reach.png"' in page


def test_the_table_says_how_far_the_stopped_level_gets(page: str) -> None:
    rows = [
        re.findall(r"<td[^>]*>([^<]*)</td>", row)
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    ]
    assert rows[1] == ["expert", "2", "100 %", "2", "", "", "10.00", "16.0"]
    # Stopped at 1.5 of the 2.5 steps that experts need.
    assert rows[2] == ["medium", "2", "50 %", "3", "2", "60 %", "3.00", "6.5"]
    assert "background-size: 100% 80%" in page and "background-size: 41% 80%" in page


def test_whatever_a_task_is_called_its_sheet_is_a_file_beside_the_page() -> None:
    name = 'javascript:alert("x")'
    page = collection_page(
        {name: f"{name}.png"},
        {name: summarise_levels(EPISODES)},
        {},
        title="names",
        instructions={},
    )
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == [
        "#javascript%3Aalert%28%22x%22%29",
        *["javascript%3Aalert%28%22x%22%29.png"] * 2,
    ]
