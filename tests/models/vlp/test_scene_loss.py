import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from vlfeedback.models.vlp.data import EpisodeSet, SceneSet
from vlfeedback.models.vlp.disturbance import Disturbance
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.scene_loss import ScenePool, scene_loss
from vlfeedback.models.vlp.settings import VLPTraining
from vlfeedback.models.vlp.texts import Texts

UNSTEADY = VLPTraining(
    word_dropout=0.0, word_noise=0.0, colour_share=0.0, token_noise=0.0, steady_weight=0.0
)
STEADY = replace(UNSTEADY, steady_weight=7.0)


@pytest.fixture
def network() -> VLPNetwork:
    torch.manual_seed(0)
    return VLPNetwork(VLPArchitecture(picture_size=64, width=32, n_heads=2, head=(16, 8))).eval()


@pytest.fixture
def pool(episodes: EpisodeSet, scenes: SceneSet) -> ScenePool:
    """Pictures of twelve resets and 24 scenes whose tokens are noise."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(12, 6, 1, 32, generator=generator)
    return ScenePool(episodes, tokens, scenes, torch.randn(24, 1, 32, generator=generator))


def cosines(network: VLPNetwork, pool: ScenePool, texts: Texts) -> np.ndarray:
    """Of four scenes of each of three tasks with one text of each, as the loss draws them."""
    rng = np.random.default_rng(0)
    scene = network.read_scene(pool.draw(rng))
    rows = texts.draw(np.arange(3), rng)
    words, mask = torch.from_numpy(texts.words[rows]), torch.from_numpy(texts.mask[rows])
    return (scene @ network.mean_text(words, mask).T).detach().numpy()


def loss(network: VLPNetwork, pool: ScenePool, texts: Texts, training: VLPTraining) -> float:
    disturbance = Disturbance(training, 1.0, 24)
    rng = np.random.default_rng(0)
    return scene_loss(network, pool, texts, training, disturbance, rng, "cpu").item()


def test_a_scene_is_told_from_the_texts_of_all_tasks_at_a_temperature_of_a_fifth(
    network: VLPNetwork, pool: ScenePool, texts: Texts
) -> None:
    found = cosines(network, pool, texts)
    costs = []
    for row, task in zip(found, np.repeat(np.arange(3), 4), strict=True):
        costs.append(math.log(sum(math.exp((x - row[task]) / 0.2) for x in row)))
    assert loss(network, pool, texts, UNSTEADY) == pytest.approx(np.mean(costs), rel=1e-4)


def test_scenes_of_a_task_that_match_its_text_unevenly_cost_their_variance(
    network: VLPNetwork, pool: ScenePool, texts: Texts
) -> None:
    found = cosines(network, pool, texts)
    own = [found[4 * task : 4 * task + 4, task] for task in range(3)]
    unevenness = np.mean([np.var(of_task, ddof=1) for of_task in own])
    assert unevenness > 1e-4
    difference = loss(network, pool, texts, STEADY) - loss(network, pool, texts, UNSTEADY)
    assert difference == pytest.approx(7.0 * unevenness, rel=1e-3)
