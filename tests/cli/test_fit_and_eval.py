import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from vlfeedback.cli.app import app
from vlfeedback.data.collection import Collection
from vlfeedback.data.trajectories import write_trajectories
from vlfeedback.errors import FileFormatError, NeedsError
from vlfeedback.models.training_state import TrainingState
from vlfeedback.models.vlp.weights import load_vlp
from vlfeedback.types import ArrayFrames, Trajectory

Kill = Callable[[list[str], str, str, int], None]
LEVELS = ("expert", "medium", "random", "scattered")


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    collection = Collection.create(tmp_path_factory.mktemp("data") / "clips", {"seed": 7})
    times = np.array([0, 1, 8, 15])
    for task in ("door-open", "drawer-open", "door-close"):
        for level in LEVELS:
            trajectory = Trajectory(
                observations=rng.normal(size=(21, 39)).astype(np.float32),
                actions=np.zeros((20, 4), np.float32),
                env_rewards=None if level == "scattered" else rng.uniform(size=20).astype("f4"),
                successes=None if level == "scattered" else np.arange(20) >= 10,
                frames=ArrayFrames(times, rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)),
                task=task,
                id=f"{task}/{level}",
                info={"level": level},
            )
            write_trajectories(collection.path(task, level), [trajectory])
    return collection.root


def fit(collected: Path, out: Path, options: str = "") -> str:
    """What the command says that trains as shortly as can be."""
    steps = (
        "--encoder-steps 1 --folds 0 --part-steps 1 --scene-steps 1 --text-steps 1 --steps 1 "
        "--threads 1"
    )
    command = f"fit vlp --data {collected} --out {out} {steps} {options}"
    run = CliRunner().invoke(app, command.split(), catch_exceptions=False)
    assert run.exit_code == 0, run.output
    return " ".join(run.output.split())


@pytest.fixture(scope="module")
def fitted(collected: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file of weights, and what was said."""
    out = tmp_path_factory.mktemp("fitted") / "vlp.tiny.safetensors"
    return out, fit(collected, out)


def test_fit_writes_weights_that_say_what_they_were_trained_on(fitted: tuple[Path, str]) -> None:
    out, said = fitted
    _, weights = load_vlp(str(out))
    assert weights.tasks == ("door-open", "drawer-open")  # door-close is a test task
    assert weights.training["excluded"] == [
        "button-press",
        "door-close",
        "drawer-close",
        "faucet-close",
        "window-open",
    ]
    assert weights.training["collection"] == {"seed": 7}
    assert weights.training["part_steps"] == 1
    assert weights.score_std > 0.0
    assert weights.pictures is not None and len(weights.pictures.mean) == 48
    assert f"vlfeedback eval vlp --weights {out}".replace(" ", "") in said.replace(" ", "")
    assert list(out.parent.iterdir()) == [out]  # nothing of stage 1 is left


def tensors_of(weights: Path) -> dict[str, torch.Tensor]:
    return load_vlp(str(weights))[0].state_dict()


STEPS = "--encoder-steps 3 --part-steps 2 --scene-steps 2 --text-steps 1 --steps 2 --state-every 2"


@pytest.fixture(scope="module")
def unbroken(collected: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a run that nobody stopped."""
    out = tmp_path_factory.mktemp("unbroken") / "vlp.safetensors"
    fit(collected, out, STEPS)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("steps", [(1,), (2, 4)], ids=str)
def test_a_killed_fit_goes_on_and_ends_with_the_same_weights(
    collected: Path, unbroken: Path, tmp_path: Path, kill: Kill, steps: tuple[int, ...]
) -> None:
    # Of 3 steps of stage 1 and 6 of stage 2; each run counts its own.
    out = tmp_path / "vlp.mine.safetensors"
    options = f"fit vlp --data {collected} --out {out} --threads 1 {STEPS}"
    for step in steps:
        kill(options.split(), "vlfeedback.models.training_state", "TrainingState.done", step)
        assert not out.exists()
    said = fit(collected, out, STEPS)
    assert ("reading pictures" in said) == (len(steps) == 1)  # stage 1 is not done twice
    for name, tensor in tensors_of(unbroken).items():
        assert torch.equal(tensor, tensors_of(out)[name]), name
    assert list(tmp_path.iterdir()) == [out]


def test_the_minutes_of_a_run_that_was_cut_off_count(
    collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "vlp.mine.safetensors"
    monkeypatch.setattr(TrainingState, "seconds", lambda self: 1800.0)
    assert "trained on 2 tasks in 60" in fit(collected, out)  # of either stage


def test_fit_refuses_to_go_on_with_what_was_begun_with_other_settings(
    collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "vlp.mine.safetensors"
    stage_1 = tmp_path / "vlp.mine.stage1.training.safetensors"
    with monkeypatch.context() as patch, pytest.raises(OSError, match="stopped"):
        patch.setattr("vlfeedback.models.vlp.train.encode_episodes", cut_off)
        fit(collected, out)
    assert list(tmp_path.iterdir()) == [stage_1]
    with pytest.raises(FileFormatError, match=r"begun with other settings: seed was 0 and is 1\."):
        fit(collected, out, "--seed 1")
    with pytest.raises(FileFormatError, match=r"share was 1.0 and is 0.5\..*delete it to start"):
        fit(collected, out, "--share 0.5")
    fit(collected, out, "--ilp-weight 0.2")  # which stage 1 does not depend on
    assert load_vlp(str(out))[1].training["ilp_weight"] == 0.2


def cut_off(*_: object, **__: object) -> None:
    raise OSError("stopped")


def test_fit_takes_the_encoder_of_other_weights(
    collected: Path, fitted: tuple[Path, str], tmp_path: Path
) -> None:
    out = tmp_path / "vlp.mine.safetensors"
    fit(collected, out, f"--encoder {fitted[0]} --exclude none --seed 1")
    (begun, _), (network, weights) = load_vlp(str(fitted[0])), load_vlp(str(out))
    for name, tensor in network.encoder.state_dict().items():
        assert torch.equal(tensor, begun.encoder.state_dict()[name]), name
    assert weights.training["encoder"] == str(fitted[0])
    # Settings of stage 1 are those that the encoder was trained with, and no others.
    assert weights.training["encoder_training"]["encoder_steps"] == 1
    assert "encoder_steps" not in weights.training
    assert weights.tasks == ("door-close", "door-open", "drawer-open")


def test_fit_writes_down_the_settings_that_were_asked_for(collected: Path, tmp_path: Path) -> None:
    out = tmp_path / "vlp.mine.safetensors"
    fit(collected, out, "--token-noise 0.1 --ilp-weight 0.3 --encoder-batch 8")
    _, weights = load_vlp(str(out))
    asked = {"token_noise": 0.1, "ilp_weight": 0.3, "encoder_batch": 8}
    assert {name: weights.training[name] for name in asked} == asked


def test_fit_for_trained_tasks_reads_progress_by_the_text(collected: Path, tmp_path: Path) -> None:
    out = tmp_path / "vlp.mine.safetensors"
    fit(collected, out, "--exclude none --instructed-width 8")
    network, weights = load_vlp(str(out))
    assert weights.architecture.instructed_width == 8
    assert network.instructed is not None
    last = network.state_dict()["instructed.picture.5.weight"]  # zero before training
    assert last.abs().sum() > 0.0


def test_fit_on_a_single_task_is_refused(collected: Path, tmp_path: Path) -> None:
    with pytest.raises(NeedsError, match="has 1 tasks that are not excluded"):
        fit(collected, tmp_path / "x.safetensors", "--exclude door-close,door-open")


def test_fit_on_a_folder_without_clips_says_how_to_make_some(tmp_path: Path) -> None:
    arguments = ["fit", "vlp", "--data", str(tmp_path), "--out", str(tmp_path / "x.safetensors")]
    run = CliRunner().invoke(app, arguments)
    assert isinstance(run.exception, FileNotFoundError)
    assert "vlfeedback collect --out" in str(run.exception)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """What `vlfeedback eval vlp --episodes 2 --seed 5` would collect for two tasks, but noise."""
    rng = np.random.default_rng(0)
    settings = {
        "episodes": 2,
        "horizon": 150,
        "random_actions": "u01",
        "frame_stride": 7,
        "frame_size": 112,
        "seed": 10_005,
    }
    collection = Collection.create(tmp_path / "clips" / "10005", settings)
    times = np.r_[0, np.arange(1, 65, 7)]
    for task in ("drawer-close", "faucet-close"):
        for level in ("expert", "medium", "random"):
            trajectories = [
                Trajectory(
                    observations=rng.normal(size=(65, 39)).astype(np.float32),
                    actions=rng.normal(size=(64, 4)).astype(np.float32),
                    env_rewards=np.linspace(0, index, 64, dtype=np.float32),
                    frames=ArrayFrames(times, rng.integers(0, 256, (11, 32, 32, 3), np.uint8)),
                    task=task,
                    id=f"{task}/{level}/{index}",
                    info={"level": level},
                )
                for index in range(2)
            ]
            write_trajectories(collection.path(task, level), trajectories)
    return tmp_path / "clips"


def evaluate(clips: Path, options: str) -> Result:
    command = (
        f"eval vlp --weights vlp.mt45 --episodes 2 --pairs 8 --seed 5 --clips {clips} {options}"
    )
    return CliRunner().invoke(app, command.split())


def test_eval_measures_every_pairing_and_kind_of_text_and_writes_what_it_printed(
    clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "figures.json"
    run = evaluate(clips, f"--tasks drawer-close,faucet-close --json {out} --figures {tmp_path}/p")
    assert run.exit_code == 0, run.output
    figures = json.loads(out.read_text())
    assert figures["label_accuracy"].keys() == {"drawer-close", "faucet-close"}
    assert figures["unseen_tasks"] == ["drawer-close", "faucet-close"]
    sources = {"vlp", "picture-energy", "still", "random", "prior"}
    for pairing in ("clustered", "random", "expert", "reversed", "instruction"):
        assert figures[f"{pairing}_pairs"].keys() == sources
        assert 0.0 <= figures[f"{pairing}_pairs"]["vlp"]["mean"] <= 1.0
    assert figures["reversed_pairs"]["picture-energy"]["mean"] == 0.5
    kinds = ["seen", "phrase", "description", "correct colour", "incorrect colour"]
    assert list(figures["language"]) == kinds
    assert figures["paper"]["language"]["seen"]["ivp_accuracy"] == 0.917
    assert figures["settings"]["collections"][0]["seed"] == 10_005
    assert set(figures["repeats"][0]) == {"drawer-close", "faucet-close"}
    assert "paper" in run.output
    plots = {"label_accuracy.png", "reliability.png", "accuracy_by_gap.png"}
    assert {path.name for path in (tmp_path / "p").iterdir()} == plots


def test_one_task_is_evaluated_without_other_tasks_words(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    run = evaluate(clips, f"--tasks DrawerClose --json {out}")
    assert run.exit_code == 0, run.output
    figures = json.loads(out.read_text())
    assert "language" not in figures
    assert figures["mean_label_accuracy"] == figures["label_accuracy"]["drawer-close"]


def test_wrong_labels_are_shown_as_pictures(clips: Path, tmp_path: Path) -> None:
    run = evaluate(clips, f"--tasks drawer-close --failures {tmp_path}/wrong")
    assert run.exit_code == 0, run.output
    sheets = list((tmp_path / "wrong").iterdir())
    assert 1 <= len(sheets) <= 6  # of noise, some labels are wrong
    assert all(sheet.name.startswith("drawer-close-") for sheet in sheets)
    assert all(sheet.read_bytes().startswith(b"\x89PNG") for sheet in sheets)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--tasks drawer-clsoe", "Did you mean 'drawer-close'"),
        ("--tasks drawer-close --language", "name another"),
        ("--tasks drawer-close --weights nothing", "No VLP weights 'nothing'"),
        ("--split mt10", "mt10"),
        ("--repeats 0", "repeats"),
    ],
)
def test_eval_refuses_what_cannot_work_before_it_collects(
    tmp_path: Path, options: str, told: str
) -> None:
    run = evaluate(tmp_path / "none", options)
    assert run.exit_code != 0
    assert told in f"{run.output}{run.exception}"
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_eval_collects_fresh_clips_and_the_bundled_weights_know_a_closed_drawer(
    tmp_path: Path,
) -> None:
    out = tmp_path / "figures.json"
    run = CliRunner().invoke(
        app,
        "eval vlp --tasks drawer-close --pairs 20 --seed 5 --weights vlp.mt45 --workers 2 "
        f"--json {out}".split(),
    )
    assert run.exit_code == 0, run.output
    assert json.loads(out.read_text())["mean_label_accuracy"] > 0.7


@pytest.mark.slow
def test_eval_adds_figures_along_episodes_and_by_protocol(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    run = evaluate(tmp_path / "clips", f"--tasks drawer-close --progress --json {out}")
    assert run.exit_code == 0, f"{run.output}{run.exception}"
    figures = json.loads(out.read_text())["progress"]
    assert figures["sources"]["vlp"]["figures"]["value_order"]["drawer-close"]["n"] == 2
    assert list(figures["protocols"]["accuracy"]["clustered"]["vlp"])[:2] == ["rest", "run-on"]
    assert figures["settings"]["collections"]["rest"]["episodes"] == 2
    assert (tmp_path / "clips" / "progress" / "run-on").is_dir()
