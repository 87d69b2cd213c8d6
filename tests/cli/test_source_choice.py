from dataclasses import dataclass

import pytest

from vlfeedback.cli.source_choice import SourceChoice, parse_sources
from vlfeedback.errors import InvalidValueError, UnknownNameError
from vlfeedback.types import SourceNeeds


def test_one_source_needs_no_name_before_its_settings() -> None:
    (choice,) = parse_sources(["clip.ViT-B-32"], ["random_weights_seed=0", "checkpoint=a.pt"])
    assert choice.settings == {"random_weights_seed": 0, "checkpoint": "a.pt"}


def test_several_sources_have_theirs_before_the_last_dot() -> None:
    first, second = parse_sources(["clip.ViT-B-32", "vlp"], ["clip.ViT-B-32.random_weights_seed=0"])
    assert first == SourceChoice("clip.ViT-B-32", "clip.ViT-B-32", {"random_weights_seed": 0})
    assert second == SourceChoice("vlp", "vlp", {})


def test_one_source_may_come_twice_under_two_names() -> None:
    chosen = parse_sources(["a=random", "b=random"], ["b.seed=1"])
    assert [(c.name, c.id, c.settings) for c in chosen] == [
        ("a", "random", {}),
        ("b", "random", {"seed": 1}),
    ]
    with pytest.raises(UnknownNameError, match="--source first=random --source second=random"):
        parse_sources(["random", "random"], [])


@pytest.mark.parametrize(
    ("text", "value"),
    [("x=3", 3), ("x=null", None), ('x=["a"]', ["a"]), ("x=a=b", "a=b"), ("x=", "")],
)
def test_values_are_json_or_else_text(text: str, value: object) -> None:
    (choice,) = parse_sources(["random"], [text])
    assert choice.settings == {"x": value}


def test_a_setting_of_no_source_is_refused_with_how_to_write_it() -> None:
    with pytest.raises(UnknownNameError, match=r"Write env\.seed=1, with one of: env, random"):
        parse_sources(["env", "random"], ["seed=1"])
    with pytest.raises(UnknownNameError, match="Did you mean 'random'"):
        parse_sources(["env", "random"], ["rundom.seed=1"])
    with pytest.raises(InvalidValueError, match="expected key=value"):
        parse_sources(["env"], ["seed"])


def test_only_a_source_that_cannot_do_without_a_goal_lacks_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True)
    class GoalConfig:
        goal: str | None = None

    class Distance:
        config_type = GoalConfig
        needs = SourceNeeds(frames=True)

    class DistanceOrWords(Distance):
        needs = SourceNeeds(frames=True, instruction=True)  # unless a goal is given

    @dataclass(frozen=True)
    class NoSettings:
        pass

    class Plain:
        config_type = NoSettings

    known = {"distance": Distance, "either": DistanceOrWords, "plain": Plain}
    monkeypatch.setattr(SourceChoice, "_class", lambda choice: known[choice.id])
    assert SourceChoice("d", "distance").lacks_goal
    assert not SourceChoice("d", "distance", {"goal": "goal.png"}).lacks_goal
    assert not SourceChoice("e", "either").lacks_goal
    assert not SourceChoice("p", "plain").lacks_goal
    assert SourceChoice("d", "distance").with_goal("g.png").settings == {"goal": "g.png"}


def test_an_unknown_source_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'vlp'"):
        _ = SourceChoice("v", "vlpp").lacks_goal
