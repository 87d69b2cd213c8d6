"""What is said of environments that are well, and of those with one fault each."""

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from vlfeedback.errors import InvalidValueError
from vlfeedback.evaluation.environment import Finding, inspect_environment


def found_in(env_id: str, **options: Any) -> dict[str, Finding]:
    inspection = inspect_environment(env_id, env_options=options, n_steps=7)
    return {finding.subject: finding for finding in inspection.findings}


def test_nothing_is_wrong_with_a_world_that_is_well() -> None:
    inspection = inspect_environment("Dot-v0", n_steps=7)
    assert inspection.is_usable
    states = {finding.subject: finding.state for finding in inspection.findings}
    assert states.pop("upright") == "note"  # of a drawing only a person can tell
    assert set(states.values()) == {"ok"}
    assert len(inspection.pictures) == 8 and inspection.begins == (0,)
    assert all(picture.shape == (96, 96, 3) for picture in inspection.pictures)


@pytest.mark.parametrize(
    ("world", "subject", "detail", "next_step"),
    [
        ("Black", "picture content", r"all are of one colour, \(0, 0, 0\)", "camera"),
        ("Frozen", "pictures change", "0 of 7 steps change the picture, 7 the obs", "draw what"),
        ("Floats", "pictures", "float64; sources take uint8", r"\(picture \* 255\)"),
        ("Lists", "pictures", "returned list; expected one", "render_mode='rgb_array'"),
        ("Grey", "pictures", r"shape \(96, 96\); expected \(H, W, 3\)", "Wrap it"),
        ("Raising", "pictures", r"render\(\) raised RuntimeError: no display", "MUJOCO_GL"),
        ("Growing", "picture size", r"changes on the way: \(97, 97, 3\)", "of one size"),
        ("Late", "seeds", "same first observation and another first picture", "draw after it"),
        ("Blind", "render modes", "not made with render_mode='rgb_array'", "metadata"),
        ("Forgetful", "render modes", r"is None though 'rgb_array' was asked", "self.render_mode"),
        ("Unseeded", "seeds", "the same seed gives another first observation", "self.np_random"),
        ("Stumbling", "step", r"step\(\) raised ZeroDivisionError: a motor is off", "step 0"),
        ("Outside", "check_env", "AssertionError", "Mend it"),
        ("Commanding", "actions", "no learner and no recording takes such", "ActionWrapper"),
    ],
)
def test_a_problem_is_named_with_what_to_do_next(
    world: str, subject: str, detail: str, next_step: str
) -> None:
    inspection = inspect_environment(f"{world}-v0", n_steps=7)
    assert not inspection.is_usable
    finding = next(f for f in inspection.findings if f.subject == subject)
    assert finding.state == "problem"
    assert re.search(detail, finding.detail), finding
    assert re.search(next_step, finding.next_step), finding


@pytest.mark.parametrize(
    ("env_id", "subject", "detail", "next_step"),
    [
        ("Endless-v0", "time limit", "none: an episode that nothing ends", "max_episode_steps"),
        ("Silent-v0", "success", "info has neither .* it has nothing", "--success-key"),
        ("Drifting-v0", "seeds", "begin alike, and go apart", "cannot be repeated"),
        ("Commanding-v0", "observations", "Dict.*: 1 numbers", "instruction_key='mission'"),
        ("CartPole-v1", "actions", r"Discrete\(2\)", "DQN"),
        ("Pendulum-v1", "actions", r"in \[-2, 2\] reaches beyond \[-1, 1\]", "RescaleAction"),
        ("Blackjack-v1", "observations", "Tuple.*: 45 numbers", "FlatObservations"),
    ],
)
def test_what_a_person_should_know_is_a_note(
    env_id: str, subject: str, detail: str, next_step: str
) -> None:
    finding = found_in(env_id)[subject]
    assert finding.state == "note"
    assert re.search(detail, finding.detail), finding
    assert re.search(next_step, finding.next_step), finding


@pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCar-v0", "Acrobot-v1", "FrozenLake-v1"])
def test_classic_environments_have_no_problem(env_id: str) -> None:
    pytest.importorskip("pygame")
    inspection = inspect_environment(env_id)
    assert inspection.is_usable, inspection.findings
    assert len(inspection.pictures) >= 21


def test_small_and_large_pictures_are_noted_and_are_no_problem() -> None:
    for size, words in ((48, "encoders look at 224"), (700, "encoders reduce it")):
        finding = found_in("Dot-v0", size=size)["picture size"]
        assert finding.state == "note" and f"{size} x {size}" in finding.detail
        assert words in finding.detail and "width" in finding.next_step


@pytest.mark.parametrize("env_id", ["NoSuch-v0", "no_such_module:A-v0"])
def test_an_id_that_is_not_there_is_a_problem_of_its_own(env_id: str) -> None:
    (finding,) = inspect_environment(env_id).findings
    assert (finding.subject, finding.state) == ("made", "problem")
    assert "before a colon" in finding.next_step


def test_keyword_arguments_that_the_environment_refuses_are_named() -> None:
    (finding,) = inspect_environment("Dot-v0", env_options={"colour": "red"}).findings
    assert "unexpected keyword argument 'colour'" in finding.detail
    assert "keyword arguments" in finding.next_step


def test_a_walk_goes_on_over_the_end_of_an_episode() -> None:
    inspection = inspect_environment("Dot-v0", env_options={"max_episode_steps": 3}, n_steps=7)
    assert inspection.begins == (0, 4, 8)
    assert len(inspection.pictures) == 10


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="n_steps=0 and seed=0; expected at least one"):
        inspect_environment("Dot-v0", n_steps=0)


class Overhead(gym.Wrapper[Any, Any, Any, Any]):
    """Pictures turned on their heads."""

    def render(self) -> Any:
        picture: Any = self.env.render()
        return np.ascontiguousarray(picture[::-1])


def make_turned(**options: Any) -> gym.Env[Any, Any]:
    return Overhead(gym.make("InvertedPendulum-v5", **options).unwrapped)


def test_mujocos_pictures_are_upright_or_upside_down_by_lifting_the_world() -> None:
    pytest.importorskip("mujoco")
    sized = {"width": 128, "height": 128}
    found = found_in("InvertedPendulum-v5", **sized)
    assert found["upright"] == Finding("upright", "ok", "what is lifted moves up in the picture")
    assert found["picture size"].detail.startswith("128 x 128")
    gym.register("Turned-v0", make_turned, max_episode_steps=50)
    try:
        turned = found_in("Turned-v0", **sized)["upright"]
    finally:
        del gym.registry["Turned-v0"]
    assert turned.state == "problem" and "upside-down" in turned.detail
    assert "picture[::-1]" in turned.next_step


def test_a_camera_that_the_model_lacks_is_a_problem() -> None:
    pytest.importorskip("mujoco")
    sized = {"width": 64, "height": 64}
    assert found_in("Hopper-v5", **sized)["camera"].detail == "the model has 'track'"
    wrong = found_in("Hopper-v5", camera_name="front", **sized)["camera"]
    assert wrong.state == "problem" and "no camera_name='front'" in wrong.detail
