from typing import Any

import pytest

from vlfeedback.errors import NeedsError
from vlfeedback.evaluation.diagnosis.fresh_episodes import fresh_settings
from vlfeedback.tasks import get_task, own_task
from vlfeedback.types import SourceNeeds


def needs(stride: int, granularity: Any = "window") -> SourceNeeds:
    context = 50 if granularity == "window" else 1
    return SourceNeeds(frames=True, granularity=granularity, context=context, frame_stride=stride)


def settings_of(task: str, sources: list[SourceNeeds], **changes: Any) -> dict[str, Any]:
    plain = {"episodes": 8, "horizon": None, "frame_size": 112, "seed": 3}
    return fresh_settings(get_task(task), sources, **{**plain, **changes})


@pytest.mark.parametrize(
    ("sources", "stride"),
    [
        ([SourceNeeds(actions=True)], 7),
        ([needs(1, "step")], 7),
        ([needs(7), needs(1, "step")], 7),
        ([needs(6), needs(4, "episode")], 2),
    ],
)
def test_pictures_are_collected_as_often_as_all_sources_need(
    sources: list[SourceNeeds], stride: int
) -> None:
    assert settings_of("drawer-close", sources) == {
        "episodes": 9,
        "horizon": 150,
        "random_actions": "u01",
        "frame_stride": stride,
        "frame_size": 112,
        "seed": 20_003,
        "medium": "half-way",
        "ends": "rest",
        "env_options": {},
    }


def test_cart_pole_is_collected_by_its_own_rules() -> None:
    settings = settings_of("cart-pole-balance", [needs(7)])
    assert (settings["horizon"], settings["random_actions"]) == (100, "box")
    assert settings_of("cart-pole-balance", [needs(7)], horizon=30)["horizon"] == 30


def test_a_task_without_an_expert_says_how_to_collect_one() -> None:
    task = own_task("my_package:FoldTowel-v0", "fold the towel")
    with pytest.raises(NeedsError, match="'fold-towel' has no scripted expert") as raised:
        fresh_settings(task, [needs(7)], episodes=8, horizon=None, frame_size=112, seed=0)
    assert (
        "vlfeedback collect --out FOLDER --env-id my_package:FoldTowel-v0 --instruction "
        '"fold the towel" --name fold-towel --policy my_module:act'
    ) in str(raised.value)
    assert "pass --data FOLDER" in str(raised.value)
