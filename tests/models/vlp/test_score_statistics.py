import pytest
import torch

from vlfeedback.models.vlp.data import EpisodeSet
from vlfeedback.models.vlp.fit_encoder import encode_episodes
from vlfeedback.models.vlp.network import VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.score_statistics import score_statistics
from vlfeedback.models.vlp.texts import Texts

SMALL = VLPArchitecture(
    picture_size=64,
    width=32,
    n_heads=2,
    head=(16, 8),
    dropout=0.0,
    match_steepness=0.0,  # every match is one half
)


def silent(stage: str, step: int, steps: int, loss: float) -> None:
    """Nobody watches."""


def test_score_statistics_are_those_of_the_scores(episodes: EpisodeSet, texts: Texts) -> None:
    network = VLPNetwork(SMALL)
    for number in range(4):
        fix(network, f"progress.since_reset.{number}.picture.5", 0.5)
        fix(network, f"progress.since_reset.{number}.order.3", 1.0)
    fix(network, "relevance.head.6", 1.0)
    tokens = encode_episodes(network, episodes, report=silent)
    mean, std = score_statistics(network, episodes, tokens, texts, seed=0, n_batches=2)
    progress = 2 * 0.5 + 1.0
    assert mean == pytest.approx(0.5 * 6.0 + (0.25 + 0.75 * 0.5) * (progress + 0.25 * 1.0))
    assert std == pytest.approx(0.0, abs=1e-5)


def fix(network: VLPNetwork, layer: str, value: float) -> None:
    """Make this last layer answer the same to everything."""
    last = network.get_submodule(layer)
    assert isinstance(last, torch.nn.Linear) and last.out_features == 1
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, value)
