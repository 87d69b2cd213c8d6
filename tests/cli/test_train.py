"""`vlfeedback train`, from the command line to a policy in a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlfeedback.adapters import npz
from vlfeedback.cli import main
from vlfeedback.data.cut_off import cut_off
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import sample_segment_pairs
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.offline import PolicyEvaluator, TrainedPolicy, train_policy
from vlfeedback.preferences import make_preference_source
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.tasks import get_task
from vlfeedback.types import Trajectory

Run = Callable[..., tuple[int, str, str]]

TASK = "cart-pole-balance"
STATES = np.zeros((3, 4), np.float32)
SMOKE = ("--preset", "smoke", "--steps", "6", "--eval-every", "4", "--episodes", "2")


def episode(seed: int, length: int = 20) -> Trajectory:
    rng = np.random.default_rng(seed)
    rewards = rng.normal(size=length).astype(np.float32)
    return Trajectory(
        observations=rng.normal(size=(length + 1, 4)).astype(np.float32),
        actions=rng.uniform(-1, 1, size=(length, 1)).astype(np.float32),
        env_rewards=rewards,
        rewards=rewards,
        truncated=True,
        id=f"{TASK}/{seed:06d}",
        task=TASK,
    )


EPISODES = [episode(seed) for seed in range(6)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vlfeedback", "train", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_trajectories(Path("data.h5"), EPISODES)


def evaluator(horizon: int | None = None) -> PolicyEvaluator:
    return PolicyEvaluator(get_task(TASK).env_id, seeds=range(2), horizon=horizon)


def test_a_policy_is_that_of_python_and_its_curve_is_shown(run: Run) -> None:
    settings = ("--set", "hidden=[16]", "--set", "expectile=0.8", "--horizon", "5")
    arguments = ("--learner", "iql", "--data", "data.h5", "--out", "policy", "--seed", "3")
    code, said, message = run(*arguments, *SMOKE, *settings)
    assert code == 0, message
    expected = train_policy(
        "iql",
        trajectories=EPISODES,
        preset="smoke",
        n_steps=6,
        seed=3,
        eval_every=4,
        evaluator=evaluator(5),
        hidden=[16],
        expectile=0.8,
    )
    trained = TrainedPolicy.load("policy")
    assert trained.curve.to_json() == expected.curve.to_json()
    assert trained.config == expected.config
    np.testing.assert_array_equal(trained.algo.predict(STATES), expected.algo.predict(STATES))
    rows = [line for line in said.splitlines() if line.startswith("│")]
    for row, step, gain in zip(rows, (4, 6), trained.curve.means("return"), strict=True):
        assert row.split("│")[1].strip() == str(step) and f"{gain:.4g}" in row
    assert "policy = TrainedPolicy.load('policy').algo" in said


def test_pairs_are_learnt_from_with_the_data_they_are_of(run: Run) -> None:
    pairs = sample_segment_pairs(EPISODES, 10, 8, rng=np.random.default_rng(0))
    label_pairs(pairs, make_preference_source("teacher"), save_to=Path("labels.parquet"))
    arguments = ("--learner", "cpl", "--data", "data.h5", *SMOKE, "--out", "policy")
    code, _, message = run(*arguments)
    assert code == 1
    assert (
        "or --labeller to make some. To look at them first: vlfeedback label --data data.h5 "
        in message
    )
    code, _, message = run(*arguments, "--labels", "labels.parquet")
    assert code == 0, message
    assert TrainedPolicy.load("policy").config["preferences"] is not None


def test_one_command_labels_pairs_and_learns_from_them(run: Run) -> None:
    arguments = ("--learner", "cpl", "--data", "data.h5", *SMOKE, "--out", "policy", "--seed", "2")
    asked = ("--labeller", "teacher", "--set-labeller", "mistake=0.2", "--pairs", "12")
    code, _, message = run(*arguments, *asked, "--length", "8")
    assert code == 0, message
    labelled = PreferenceDataset.load("policy/labels.parquet", EPISODES)
    pairs = sample_segment_pairs(EPISODES, 12, 8, rng=np.random.default_rng(2))
    expected = label_pairs(pairs, make_preference_source("teacher", mistake=0.2))
    assert labelled.pairs == expected.pairs
    np.testing.assert_array_equal(labelled.labels.prefer_second, expected.labels.prefer_second)
    trained = TrainedPolicy.load("policy")
    again = train_policy(
        "cpl", preferences=labelled, preset="smoke", n_steps=6, seed=2, eval_every=4
    )
    np.testing.assert_array_equal(trained.algo.predict(STATES), again.algo.predict(STATES))


def test_pairs_are_as_many_and_as_long_as_the_preset_says(run: Run) -> None:
    arguments = ("--learner", "cpl", "--data", "data.h5", *SMOKE, "--out", "policy")
    assert run(*arguments, "--labeller", "teacher")[0] == 0
    labelled = PreferenceDataset.load("policy/labels.parquet", EPISODES)
    assert (len(labelled), labelled.length) == (50, 10)  # of the preset "smoke"


def test_a_labeller_that_nobody_would_listen_to_is_not_asked(run: Run) -> None:
    arguments = ("--data", "data.h5", *SMOKE, "--out", "policy", "--labeller", "teacher")
    for option, text in (
        (("--learner", "bc"), "bc reads no labels; leave --labeller teacher out"),
        (("--learner", "cpl", "--labels", "l.parquet"), "--labels has labels already; leave"),
        (("--learner", "cpl", "--set-labeller", "mistak=1"), "has no setting 'mistak'. Did you"),
    ):
        code, _, message = run(*arguments, *option)
        assert code == 1 and text in message, message
        assert not Path("policy/labels.parquet").exists()


def test_how_many_labels_a_reward_model_is_trained_on_is_said(run: Run) -> None:
    pairs = sample_segment_pairs(EPISODES, 10, 8, rng=np.random.default_rng(0))
    label_pairs(pairs, make_preference_source("teacher"), save_to=Path("labels.parquet"))
    arguments = ("--learner", "p-iql", "--data", "data.h5", "--labels", "labels.parquet", *SMOKE)
    share = ("--set", 'reward_training={"epochs": 1, "validation": 0.2}')
    code, said, message = run(*arguments, *share, "--out", "held-out")
    assert code == 0, message
    outcome = TrainedPolicy.load("held-out").notes["reward_model"]
    assert outcome["n_straddling"] > 0
    assert f"Reward model: {outcome['n_pairs']} of 10 answered pairs are trained on, " in said
    none = ("--set", 'reward_training={"epochs": 1, "validation": 0.0}')
    _, said, _ = run(*arguments, *none, "--out", "all")
    assert "Reward model: All 10 answered pairs are trained on." in said


def test_data_of_any_format_train_and_an_environment_may_be_named(run: Run) -> None:
    npz.write(Path("data.npz"), EPISODES)
    arguments = ("--learner", "bc", "--data", "data.npz", *SMOKE, "--out", "policy")
    code, said, message = run(*arguments)
    assert code == 0, message
    assert "The data name no known task; the policy is not judged. Say --task or --env." in said
    assert len(TrainedPolicy.load("policy").curve) == 0
    for place, option in (
        ("by-id", ("--env", get_task(TASK).env_id)),
        ("by-task", ("--task", TASK)),
    ):
        assert run(*arguments[:-1], place, *option)[0] == 0
        assert TrainedPolicy.load(place).curve.steps == (4, 6)


def test_no_episodes_are_no_evaluation(run: Run) -> None:
    code, said, _ = run("--learner", "bc", "--data", "data.h5", *SMOKE[:-1], "0", "--out", "policy")
    assert code == 0 and "return" not in said
    assert len(TrainedPolicy.load("policy").curve) == 0


def test_what_cannot_be_trained_is_said_with_what_to_do(run: Run) -> None:
    bare = [replace(t, rewards=None) for t in EPISODES]
    write_trajectories(Path("bare.h5"), bare)
    code, _, message = run("--learner", "iql", "--data", "bare.h5", "--out", "p")
    assert (
        code == 1
        and (
            "iql learns from a source's rewards and bare.h5 has none. Give it some, such as the "
            "environment's own: vlfeedback relabel --data bare.h5 --source env --out relabelled"
        )
        in message
    )
    for option, text in (
        (("--learner", "iqr"), "No learner 'iqr'. Did you mean 'iql'"),
        (("--preset", "vpl"), "No preset 'vpl'. Did you mean 'vlp'"),
        (("--set", "expectil=1"), "IQLConfig has no setting 'expectil'. Did you mean"),
        (("--set", "hidden=32"), "'hidden' of IQLConfig is 32, a int; expected list[int]."),
        (("--set", "standardise=no"), "'standardise' of TransitionBuffer is 'no', a str; expected"),
        (("--set", 'trust_terminals="false"'), "is 'false', a str; expected bool."),
        (("--set", 'hidden=["a"]'), "is ['a'], a list; expected list[int]."),
        (
            ("--set", "seed=3"),
            "'seed' is no setting of the learner; where there is an option for it",
        ),
        (("--set", "n_steps=3"), "give that: --steps 3."),
        (("--set", "expectile"), "sets nothing; expected key=value"),
        (("--task", "drawer-close"), "and none of 'drawer-close'"),
        (("--set", "hidden=[]"), "expected the units of at least one layer"),
        (("--set", "hidden=[0]"), "--set hidden=[0]; expected the units of each layer, at least"),
        (("--set", "actor_learning_rate=-1"), "--set actor_learning_rate=-1; expected a finite"),
        (("--device", "gpu"), "--device gpu is none; expected 'cpu', 'cuda', or one of several"),
        (("--env", "Nope-v0"), "No environment 'Nope-v0': Environment `Nope` doesn't exist"),
        (("--env", "no_such:Nope-v0"), "No environment 'no_such:Nope-v0': No module named 'no_su"),
        (
            ("--env", "Pendulum-v1"),
            "The environment's observations have shape (3,) and those of trajectory "
            "'cart-pole-balance/000000' (4,)",
        ),
    ):
        code, _, message = run("--learner", "iql", "--data", "data.h5", "--out", "p", *option)
        assert code == 1 and text in message, message


def test_a_folder_of_another_training_is_refused_and_a_failed_begin_is_not(run: Run) -> None:
    arguments = ("--learner", "iql", "--data", "data.h5", *SMOKE, "--out", "p")
    assert run(*arguments, "--set", "expectile=2.0")[0] == 1
    assert run(*arguments)[0] == 0
    code, _, message = run(*arguments, "--seed", "5")
    assert code == 1
    assert "p was begun with other settings: seed was 0 and is 5. Choose another" in message


def scripted(seed: int, level: str, stop: int) -> Trajectory:
    return replace(episode(seed), level=level, stopped_at=stop)


SCRIPTED = [scripted(0, "expert", 12), scripted(1, "medium", 5), scripted(2, "random", 20)]


def test_how_a_script_rests_is_not_learnt_from_unless_it_is_asked_for(run: Run) -> None:
    write_trajectories(Path("scripted.h5"), SCRIPTED)
    arguments = ("--learner", "bc", "--data", "scripted.h5", *SMOKE[:-1], "0")
    code, said, message = run(*arguments, "--out", "without")
    assert code == 0, message
    assert "Learning from 37 of 60 steps: the others were recorded after their script's" in said
    _, said, _ = run(*arguments, "--rest", "--out", "with")
    assert "Learning from" not in said
    parts = [cut_off(t, stop) for t, stop in zip(SCRIPTED, (12, 5, 20), strict=True)]
    for place, learnt in (("without", parts), ("with", SCRIPTED)):
        expected = train_policy("bc", trajectories=learnt, preset="smoke", n_steps=6, seed=0)
        found = TrainedPolicy.load(place).config["trajectories"]
        assert found == expected.config["trajectories"]


def test_episodes_that_do_not_know_where_they_stop_are_whole(run: Run) -> None:
    """A pole that is upright at once is balanced on: a success ends nothing."""
    upright = [replace(t, successes=np.ones(20, np.bool_)) for t in EPISODES]
    write_trajectories(Path("upright.h5"), upright)
    code, said, message = run(
        "--learner", "bc", "--data", "upright.h5", *SMOKE[:-1], "0", "--out", "policy"
    )
    assert code == 0 and "Learning from" not in said, message


def test_levels_choose_what_is_learnt_from(run: Run) -> None:
    write_trajectories(Path("scripted.h5"), SCRIPTED)
    arguments = ("--learner", "bc", "--data", "scripted.h5", *SMOKE[:-1], "0", "--out", "policy")
    code, said, message = run(*arguments, "--levels", "expert,medium")
    assert code == 0, message
    assert "Learning from 17 of 40 steps" in said
    code, _, message = run(*arguments, "--levels", "experts")
    assert code == 1
    assert "levels ['experts']; those of scripted.h5 are ['expert', 'medium', 'random']" in message
    pairs = sample_segment_pairs(SCRIPTED, 5, 8, rng=np.random.default_rng(0))
    label_pairs(pairs, make_preference_source("teacher"), save_to=Path("labels.parquet"))
    of_pairs = ("--learner", "cpl", "--labels", "labels.parquet")
    code, _, message = run(*arguments, *of_pairs, "--levels", "expert")
    assert (
        code == 1 and "cpl learns from labelled pairs alone; leave --levels expert out" in message
    )


def test_a_policy_is_judged_in_an_environment_made_as_that_of_its_data(run: Run) -> None:
    made = [replace(t, env_options={"max_episode_steps": 7}) for t in EPISODES]
    write_trajectories(Path("short.h5"), made)
    arguments = ("--learner", "bc", *SMOKE)
    code, _, message = run(*arguments, "--data", "short.h5", "--out", "policy")
    assert code == 0, message
    options = {"max_episode_steps": 7}
    judge = PolicyEvaluator(get_task(TASK).env_id, seeds=range(2), env_options=options)
    trained = TrainedPolicy.load("policy")
    assert trained.curve.returns[-1].tolist() == judge.evaluate(trained.algo).returns.tolist()
    write_trajectories(Path("mixed.h5"), [*EPISODES[:2], *made[2:]])
    code, _, message = run(*arguments, "--data", "mixed.h5", "--out", "other")
    assert code == 1
    assert "mixed.h5 has trajectories of environments with {} and with {'max_episode_st" in message
