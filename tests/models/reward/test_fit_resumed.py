"""A training that was stopped goes on as if it had not been."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.models.reward.test_fit import ALL, SMALL, assert_equal_weights

from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.errors import FileFormatError
from vlfeedback.models.reward.fit import FitReport, RewardTraining, fit_reward_model
from vlfeedback.models.reward.model import RewardModel
from vlfeedback.models.reward.networks import RewardModelConfig


class Cut(Exception):  # noqa: N818
    """Whoever trained was stopped."""


TRAININGS = {  # by what stops them
    "epochs": RewardTraining(epochs=6, target_accuracy=1.0),
    "steps": RewardTraining(steps=6, target_accuracy=1.0),
    "accuracy": RewardTraining(epochs=60, learning_rate=3e-3, target_accuracy=0.9),
    "validation": RewardTraining(epochs=60, learning_rate=3e-2, target_accuracy=1.0, patience=4),
}


def fit_until(
    dataset: PreferenceDataset, name: str, out: Path, cut_off: int | None = None
) -> FitReport:
    def report(stage: str, done: int, total: int, loss: float) -> None:
        if stage == "comparing segments" and done == cut_off:
            raise Cut

    training = replace(TRAININGS[name], batch_size=1000)  # one step a pass
    rng = np.random.default_rng(0)
    return fit_reward_model(
        dataset, config=SMALL, training=training, rng=rng, save_to=out, report=report
    )[1]


@pytest.fixture(scope="module", params=TRAININGS)
def whole(
    planted: PreferenceDataset,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path, FitReport]:
    """What a training is called, the file that it wrote in one go, and its report."""
    out = tmp_path_factory.mktemp("whole") / "model.safetensors"
    return request.param, out, fit_until(planted, request.param, out)


@pytest.mark.parametrize("cut_off", [1, 3, None])  # None: in the last pass
def test_a_training_that_was_cut_off_ends_like_one_that_was_not(
    planted: PreferenceDataset,
    tmp_path: Path,
    whole: tuple[str, Path, FitReport],
    cut_off: int | None,
) -> None:
    (name, file, expected), path = whole, tmp_path / "resumed.safetensors"
    assert expected.epochs > (cut_off or 1)
    with pytest.raises(Cut):
        fit_until(planted, name, path, cut_off or expected.epochs)
    report = fit_until(planted, name, path)
    assert report.stopped == ("epochs" if name == "steps" else name)
    assert replace(report, seconds=0.0) == replace(expected, seconds=0.0)
    assert path.read_bytes() == file.read_bytes()
    assert list(tmp_path.iterdir()) == [path] and list(file.parent.iterdir()) == [file]


def test_a_training_that_was_finished_but_not_written_is_only_written(
    planted: PreferenceDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stages = tmp_path / "model.safetensors", list[str]()

    def fit() -> RewardModel:
        return fit_reward_model(
            planted,
            config=SMALL,
            training=ALL,
            rng=np.random.default_rng(0),
            save_to=path,
            report=lambda stage, *_: stages.append(stage),
        )[0]

    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(RewardModel, "save", full_disk)
        fit()
    stages.clear()
    model, _ = fit_reward_model(planted, config=SMALL, training=ALL, rng=np.random.default_rng(0))
    assert_equal_weights(fit(), model)
    assert "comparing segments" not in stages


def test_labels_or_settings_other_than_it_was_begun_with_are_refused(
    planted: PreferenceDataset, tmp_path: Path
) -> None:
    def fit(dataset: PreferenceDataset, training: RewardTraining, cut_off: int = 0) -> None:
        def report(stage: str, done: int, total: int, loss: float) -> None:
            if stage == "comparing segments" and done == cut_off:
                raise Cut

        fit_reward_model(
            dataset,
            config=SMALL,
            training=training,
            rng=np.random.default_rng(0),
            save_to=tmp_path / "model.safetensors",
            report=report,
        )

    with pytest.raises(Cut):
        fit(planted, ALL, cut_off=2)
    with pytest.raises(FileFormatError, match=r"training epochs was 3 and is 4\. Use the same"):
        fit(planted, replace(ALL, epochs=4))
    with pytest.raises(FileFormatError, match="pairs was"):
        fit(planted.take(slice(50)), ALL)
    fit(planted, ALL)


def test_a_training_that_diverged_may_be_tried_with_other_settings(
    planted: PreferenceDataset, tmp_path: Path
) -> None:
    config = RewardModelConfig(output="linear", hidden=(8,), n_members=1)
    for rate in (1e38, 1e37):
        with pytest.raises(ValueError, match="diverged"):
            fit_reward_model(
                planted,
                config=config,
                training=replace(ALL, learning_rate=rate),
                rng=np.random.default_rng(0),
                save_to=tmp_path / "model.safetensors",
            )
    assert not list(tmp_path.iterdir())
