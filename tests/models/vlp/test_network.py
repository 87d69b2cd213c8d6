import math
from dataclasses import replace

import pytest
import torch

from vlfeedback.models.vlp.network import ReadSegment, ReadText, VLPArchitecture, VLPNetwork
from vlfeedback.models.vlp.progress import FEATURES

SMALL = VLPArchitecture(
    picture_size=64,
    width=32,
    n_heads=2,
    head=(16, 8),
    dropout=0.0,
    word_dim=6,
    progress_width=16,
    success_width=0,
)
KNOWN = torch.ones(3, dtype=torch.bool)  # the reset of each segment is

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]  # tokens, first, words, mask


@pytest.fixture
def network() -> VLPNetwork:
    torch.manual_seed(0)
    return VLPNetwork(SMALL).eval()


@pytest.fixture
def inputs() -> Inputs:
    """Three episodes of eight pictures, three texts of five words."""
    generator = torch.Generator().manual_seed(1)
    shapes = (3, 8, 1, 32), (3, 1, 32), (3, 5, 6)
    tokens, first, words = (torch.randn(*shape, generator=generator) for shape in shapes)
    return tokens, first, words, torch.ones(3, 5, dtype=torch.bool)


def score(
    network: VLPNetwork,
    tokens: torch.Tensor,
    first: torch.Tensor,
    words: torch.Tensor,
    mask: torch.Tensor,
) -> torch.Tensor:
    has_reset = torch.ones(len(first), dtype=torch.bool)
    segment = network.read_segment(tokens, first, has_reset)
    return network.score(segment, network.read_text(words, mask))


def read(scene: torch.Tensor) -> ReadSegment:
    """A segment of this scene, of which nothing else is known."""
    motion = torch.zeros(1, 8, FEATURES)
    has_reset = torch.ones(1, dtype=torch.bool)
    return ReadSegment(torch.zeros(1, 8, 32), has_reset, motion, torch.zeros(1), None, scene)


def test_scores_are_one_number_a_segment(network: VLPNetwork, inputs: Inputs) -> None:
    assert score(network, *inputs).shape == (3,)


def test_a_segment_scores_alike_alone_and_in_a_batch(network: VLPNetwork, inputs: Inputs) -> None:
    alone = score(network, *(x[1:2] for x in inputs))
    torch.testing.assert_close(alone, score(network, *inputs)[1:2], atol=1e-5, rtol=1e-4)


def test_padding_words_change_nothing(network: VLPNetwork, inputs: Inputs) -> None:
    tokens, first, words, mask = inputs
    padded = torch.cat([words, torch.full((3, 4, 6), 9.0)], dim=1)
    longer = torch.cat([mask, torch.zeros(3, 4, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(
        score(network, tokens, first, padded, longer),
        score(network, *inputs),
        atol=1e-5,
        rtol=1e-4,
    )


def test_another_order_reset_or_instruction_scores_differently(
    network: VLPNetwork, inputs: Inputs
) -> None:
    tokens, first, words, mask = inputs
    scored = score(network, *inputs)
    others = {
        "reversed": (tokens.flip(1), first, words, mask),
        "reset": (tokens, first.flip(0), words, mask),
        "instruction": (tokens, first, words + 1.0, mask),
    }
    for what, other in others.items():
        assert not torch.allclose(score(network, *other), scored, atol=1e-4), what


def test_progress_and_scene_are_read_before_any_instruction(
    network: VLPNetwork, inputs: Inputs
) -> None:
    tokens, first, _, _ = inputs
    segment = network.read_segment(tokens, first, KNOWN)
    assert segment.motion.shape == (3, 8, FEATURES) and segment.success is None
    by_member = network.progress(segment.motion, KNOWN)
    torch.testing.assert_close(segment.progress, by_member.mean(dim=0))
    torch.testing.assert_close(segment.scene.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(segment.scene, network.read_scene(first))


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (0.0, 0.25 * 4.0),  # a stranger: a quarter of what it does still counts
        (0.5, 3.0 + 0.625 * 4.0),
        (1.0, 6.0 + 4.0),
    ],
)
def test_the_score_is_the_match_and_what_was_done_as_far_as_it_matches(
    match: float, expected: float
) -> None:
    settings = replace(SMALL, relevance_weight=0.5, match_offset=6.0, stranger_share=0.25)
    progress, relevance = torch.tensor([2.0]), torch.tensor([4.0])
    combined = VLPNetwork(settings).combine(torch.tensor([match]), progress, relevance)
    torch.testing.assert_close(combined, torch.tensor([expected]))


def test_a_score_is_combined_from_its_three_parts(network: VLPNetwork, inputs: Inputs) -> None:
    tokens, first, words, mask = inputs
    segment, text = network.read_segment(tokens, first, KNOWN), network.read_text(words, mask)
    match, relevance = network.score_match(segment, text), network.score_relevance(segment, text)
    expected = network.combine(match, segment.progress, relevance)
    torch.testing.assert_close(network.score(segment, text), expected)


def test_a_clip_without_its_reset_is_judged_otherwise(network: VLPNetwork, inputs: Inputs) -> None:
    tokens, _, _, _ = inputs
    known, unknown = (
        network.read_segment(tokens, tokens[:, 0], has_reset) for has_reset in (KNOWN, ~KNOWN)
    )
    torch.testing.assert_close(known.motion, unknown.motion)
    assert not torch.allclose(known.progress, unknown.progress, atol=1e-3)


def test_progress_is_corrected_by_the_text_where_the_network_reads_it(inputs: Inputs) -> None:
    tokens, first, words, mask = inputs
    torch.manual_seed(0)
    network = VLPNetwork(replace(SMALL, instructed_width=8)).eval()
    segment, text = network.read_segment(tokens, first, KNOWN), network.read_text(words, mask)
    torch.testing.assert_close(network.score_progress(segment, text), segment.progress)  # untrained
    assert network.instructed is not None
    for last in (network.instructed.picture[-1], network.instructed.order[-1]):
        assert isinstance(last, torch.nn.Linear)
        torch.nn.init.normal_(last.weight)
    corrected = network.score_progress(segment, text)
    expected = segment.progress + network.instructed(segment.motion, text.meaning)
    torch.testing.assert_close(corrected, expected)
    other = network.score_progress(segment, text.take(torch.tensor([1, 2, 0])))
    assert not torch.allclose(corrected, other, atol=1e-4)
    clip = network.read_segment(tokens, first, ~KNOWN)  # motion since no reset: not what it learnt
    torch.testing.assert_close(network.score_progress(clip, text), clip.progress)


@pytest.mark.parametrize(
    ("cosine", "match"),
    [(0.3, 0.5), (0.0, 1 / (1 + math.exp(4.5))), (0.4, 1 / (1 + math.exp(-1.5)))],
)
def test_the_match_is_a_sigmoid_of_the_cosine_around_its_threshold(
    cosine: float, match: float
) -> None:
    network = VLPNetwork(replace(SMALL, match_threshold=0.3, match_steepness=15.0))
    scene = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    meaning = torch.tensor([[cosine, math.sqrt(1 - cosine**2), 0.0, 0.0, 0.0, 0.0]])
    segment = read(scene)
    text = ReadText(torch.zeros(1, 1, 32), torch.ones(1, 1, dtype=torch.bool), meaning)
    assert network.score_match(segment, text).item() == pytest.approx(match, abs=1e-5)


def test_the_chance_of_success_is_that_after_the_last_picture_as_far_as_the_scene_matches() -> None:
    settings = replace(SMALL, match_threshold=0.3, match_steepness=15.0, success_width=8)
    log_odds = torch.tensor([[4.0] * 7 + [math.log(3.0)]])
    scene = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    segment = read(scene)._replace(success=log_odds)
    meaning = torch.tensor([[0.3, math.sqrt(1 - 0.3**2), 0.0, 0.0, 0.0, 0.0]])
    text = ReadText(torch.zeros(1, 1, 32), torch.ones(1, 1, dtype=torch.bool), meaning)
    assert VLPNetwork(settings).score_success(segment, text).item() == pytest.approx(0.75 * 0.5)


def test_a_network_that_does_not_tell_success_says_so(network: VLPNetwork, inputs: Inputs) -> None:
    tokens, first, words, mask = inputs
    segment, text = network.read_segment(tokens, first, KNOWN), network.read_text(words, mask)
    assert segment.success is None
    with pytest.raises(TypeError, match="success_width is 0"):
        network.score_success(segment, text)


def mean_text(
    importance: list[float], common: list[float], *words: list[float], mask: list[bool]
) -> torch.Tensor:
    """Meaning of one text whose words have two dimensions."""
    network = VLPNetwork(replace(SMALL, word_dim=2))
    with torch.no_grad():
        network.importance.weight.copy_(torch.tensor([importance]))
        network.common.copy_(torch.tensor(common))
    return network.mean_text(torch.tensor([words]), torch.tensor([mask]))[0].detach()


def test_a_text_means_the_mean_of_its_words_and_ignores_padding() -> None:
    words = [1.0, 0.0], [0.0, 1.0], [-9.0, 5.0]
    meaning = mean_text([0.0, 0.0], [0.0, 0.0], *words, mask=[True, True, False])
    torch.testing.assert_close(meaning, torch.tensor([1.0, 1.0]) / math.sqrt(2))


def test_important_words_weigh_more() -> None:
    words = [1.0, 0.0], [0.0, 1.0]
    meaning = mean_text([math.log(3.0), 0.0], [0.0, 0.0], *words, mask=[True, True])
    torch.testing.assert_close(meaning, torch.tensor([3.0, 1.0]) / math.sqrt(10))


def test_what_all_instructions_share_is_taken_off() -> None:
    meaning = mean_text([0.0, 0.0], [1.0, -1.0], [1.0, 0.0], mask=[True])
    torch.testing.assert_close(meaning, torch.tensor([0.0, 1.0]))


def test_texts_are_taken_by_position_for_as_many_segments(
    network: VLPNetwork, inputs: Inputs
) -> None:
    tokens, first, words, mask = inputs
    segment, text = network.read_segment(tokens, first, KNOWN), network.read_text(words, mask)
    rows = torch.tensor([2, 0, 0])
    expected = score(network, tokens, first, words[rows], mask)
    torch.testing.assert_close(
        network.score(segment, text.take(rows)), expected, atol=1e-5, rtol=1e-4
    )
