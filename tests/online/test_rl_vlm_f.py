"""RL-VLM-F online: a model behind HTTP compares single pictures of the agent's own experience."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from stable_baselines3.common.callbacks import BaseCallback
from tests.online.test_pictures import STRIDE, agent

from vlfeedback import make_preference_source
from vlfeedback.models.reward.networks import RewardModelConfig
from vlfeedback.models.reward.training import RewardTraining
from vlfeedback.online import PEBBLE, FeedbackConfig
from vlfeedback.testing import ChatServer, SimulatedJudge


def shade(file: bytes) -> float:
    """The value that the judge reads: how bright a picture is."""
    return float(np.asarray(Image.open(io.BytesIO(file)).convert("L")).mean() / 255)


class Waits(BaseCallback):
    """Has the run wait for labels at its end alone, and notes where they came in."""

    def __init__(self, pebble: PEBBLE, at: int) -> None:
        super().__init__()
        self._pebble, self._at = pebble, at

    def _on_step(self) -> bool:
        pending: Any = self._pebble._asking._pending
        if self.num_timesteps == self._at and pending is not None:
            pending.result(60)
        return True


def test_a_judge_behind_http_teaches_a_reward_of_pictures_while_the_agent_acts(
    tmp_path: Path,
) -> None:
    with ChatServer(otherwise=SimulatedJudge(read=shade)) as server:
        labeller = make_preference_source(
            "rl-vlm-f",
            model="judge",
            base_url=server.url,
            store=str(tmp_path / "answers.sqlite"),
            frame_stride=STRIDE,
        )
        pebble = PEBBLE(
            labeller,
            FeedbackConfig(
                max_labels=24,
                labels_per_session=24,
                segment_length=1,
                sampler="uniform",
                random_steps=60,
                exploration_steps=0,
                catch_up_updates=0,
                asynchronous=True,
            ),
            instruction="go to the right",
            reward=RewardModelConfig(inputs="frames", picture_size=47, frame_stride=STRIDE),
            training=RewardTraining(epochs=150, learning_rate=1e-3),
        )
        steps: list[int] = []
        pebble.on_labels = lambda _: steps.append(pebble.num_timesteps)
        model = agent()
        model.learn(100, callback=[pebble, Waits(pebble, at=90)])
    assert steps
    assert steps[0] > 60  # asked at 60, and not waited for
    assert server.requests  # fewer than pairs: the same two pictures are asked about once
    learner = pebble.learner
    dark, bright = (
        np.full((1, 48, 48, 3), round(255 * position), np.uint8) for position in (0.0, 0.04)
    )
    nothing = np.zeros((1, 1), np.float32)
    rewards = [
        float(learner.member_rewards(nothing, nothing, learner.encode(picture)).mean())
        for picture in (dark, bright)
    ]
    assert rewards[1] > rewards[0]
