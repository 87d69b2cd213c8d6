import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from vlfeedback.data.instructions import instruction_corpus
from vlfeedback.data.locks import locked_file
from vlfeedback.encoders.clip_tokens import CLIPTokens, load_clip_tokens
from vlfeedback.errors import BusyError, FileFormatError, NeedsError
from vlfeedback.models.training_state import TrainingState
from vlfeedback.models.vlp.data import EpisodeSet
from vlfeedback.models.vlp_clip import fit as training_of
from vlfeedback.models.vlp_clip import token_cache
from vlfeedback.models.vlp_clip.data import LevelPairs, PhraseTokens
from vlfeedback.models.vlp_clip.fit import VLPClipTraining, fit_vlp_clip, score_statistics
from vlfeedback.models.vlp_clip.network import VLPClipArchitecture, VLPClipNetwork
from vlfeedback.models.vlp_clip.token_cache import cached_tokens

SMALL = VLPClipArchitecture(picture_width=32, text_width=32, width=32, n_heads=2, head=(16, 8))
TASKS = ["drawer-open", "door-open", "reach"]
LEVELS = np.tile([0, 1, 2, 2], 3)


def silent(stage: str, step: int, steps: int, loss: float) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def clip() -> CLIPTokens:
    open_clip.add_model_config(Path(__file__).parents[2] / "encoders" / "tiny_clip")
    return load_clip_tokens("tiny-quickgelu", random_weights_seed=0)


@pytest.fixture(scope="module")
def episodes() -> EpisodeSet:
    """Pictures as bright as their level is good; each task has a colour of its own."""
    task = np.repeat(np.arange(3), 4)
    pictures = np.zeros((12, 6, 32, 32, 3), np.uint8)
    for row in range(12):
        pictures[row, ..., task[row]] = 100 * LEVELS[row] + 50
    positions, states = np.zeros((12, 6, 10), np.float32), np.zeros((12, 6, 18), np.float32)
    unused = np.zeros((12, 6), np.float32)
    return EpisodeSet(task, LEVELS, pictures, positions, states, unused, unused, unused)


@pytest.fixture(scope="module")
def phrases(clip: CLIPTokens) -> PhraseTokens:
    return PhraseTokens(TASKS, clip)


@pytest.fixture
def pairs(episodes: EpisodeSet, clip: CLIPTokens, tmp_path: Path) -> LevelPairs:
    tokens = cached_tokens(tmp_path, episodes, clip, class_token=False, report=silent)
    return LevelPairs(episodes, tokens, n_frames=8)


def test_tokens_on_disk_are_those_of_clip_in_half_precision(
    episodes: EpisodeSet, clip: CLIPTokens, tmp_path: Path
) -> None:
    tokens = cached_tokens(tmp_path, episodes, clip, class_token=True, report=silent)
    assert tokens.shape == (12, 6, 5, 32)
    expected = clip.read_pictures(episodes.pictures[7], class_token=True).numpy()
    np.testing.assert_array_equal(tokens[7], expected.astype(np.float16))


def test_encoding_goes_on_where_it_was_cut_off_and_is_done_once(
    episodes: EpisodeSet, clip: CLIPTokens, tmp_path: Path
) -> None:
    class CutOffError(Exception):
        pass

    encoded = []

    def count(stage: str, step: int, steps: int, loss: float) -> None:
        encoded.append(step)
        if step == 5 and len(encoded) == 5:
            raise CutOffError

    with pytest.raises(CutOffError):
        cached_tokens(tmp_path, episodes, clip, class_token=False, report=count)
    tokens = cached_tokens(tmp_path, episodes, clip, class_token=False, report=count)
    cached_tokens(tmp_path, episodes, clip, class_token=False, report=count)
    assert encoded == list(range(1, 13))
    assert tokens.any(axis=(1, 2, 3)).all()


def test_two_processes_never_encode_into_one_file_and_whole_tokens_are_for_all(
    episodes: EpisodeSet, clip: CLIPTokens, tmp_path: Path
) -> None:
    def meanwhile(stage: str, step: int, steps: int, loss: float) -> None:
        if step == steps:
            return
        with pytest.raises(BusyError, match=r"Another process encodes pictures into .*\.npy"):
            cached_tokens(tmp_path, episodes, clip, class_token=False, report=silent)

    tokens = cached_tokens(tmp_path, episodes, clip, class_token=False, report=meanwhile)
    (path,) = tmp_path.glob("*.npy")
    with locked_file(path, what="encodes pictures into"):
        again = cached_tokens(tmp_path, episodes, clip, class_token=False, report=meanwhile)
    np.testing.assert_array_equal(tokens, again)


def test_other_pictures_or_another_clip_have_tokens_of_their_own(
    episodes: EpisodeSet, clip: CLIPTokens, tmp_path: Path
) -> None:
    cached_tokens(tmp_path, episodes, clip, class_token=False, report=silent)
    darker = replace(episodes, pictures=episodes.pictures // 2)
    cached_tokens(tmp_path, darker, clip, class_token=False, report=silent)
    other = load_clip_tokens("tiny-quickgelu", random_weights_seed=1)
    cached_tokens(tmp_path, episodes, other, class_token=False, report=silent)
    assert len(list(tmp_path.glob("*.npy"))) == 3


@pytest.mark.parametrize(
    "damage", ["short", "foreign", "no count", "a count too high", "other shape", "other numbers"]
)
def test_a_damaged_cache_is_refused_with_what_to_delete(
    damage: str, episodes: EpisodeSet, clip: CLIPTokens, tmp_path: Path
) -> None:
    cached_tokens(tmp_path, episodes, clip, class_token=False, report=silent)
    (path,), (progress,) = tmp_path.glob("*.npy"), tmp_path.glob("*.json")
    if damage == "short":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "foreign":
        path.write_bytes(b"no array")
    elif damage in ("no count", "a count too high"):
        progress.write_text("{}" if damage == "no count" else '{"encoded": 13}')
    elif damage == "other shape":
        np.save(path, np.zeros((12, 5, 1, 1), np.float16))
    else:
        np.save(path, np.zeros((12, 6, 1, 1), np.float32))
    with pytest.raises(FileFormatError, match=r"\.npy is no readable cache .* Delete .*\.json to"):
        cached_tokens(tmp_path, episodes, clip, class_token=False, report=silent)


def test_a_full_disk_is_noticed_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(NeedsError, match=r"take 301056\.0 GB and .* GB free\. .*--tokens"):
        token_cache._create(tmp_path / "tokens.npy", (1000, 1_000_000, 196, 768))
    assert not list(tmp_path.iterdir())


def test_the_better_level_of_a_task_is_preferred(episodes: EpisodeSet) -> None:
    marked = np.broadcast_to(
        (10 * episodes.task + episodes.level)[:, None, None, None], (12, 6, 1, 1)
    ).astype(np.float16)
    pairs = LevelPairs(episodes, marked, n_frames=8)
    for seed in range(20):
        batch = pairs.draw(16, np.random.default_rng(seed))
        assert sorted(batch.task) == [0, 1, 2]  # all there are
        first, second = batch.segments[:, 0, 0, 0].long().chunk(2)
        assert (first // 10).tolist() == (second // 10).tolist() == batch.task.tolist()
        assert (first != second).all()
        assert torch.equal(batch.prefer_second, (second > first).float())


def test_each_phrase_drawn_belongs_to_its_task(phrases: PhraseTokens, clip: CLIPTokens) -> None:
    tokens, mask = phrases.draw(np.array([1, 1, 1]), np.random.default_rng(0))
    corpus, known = clip.read_texts(instruction_corpus("door-open"))
    for row in range(3):
        phrase = tokens[row, mask[row]]
        same = [
            torch.allclose(phrase, c[k], atol=1e-5)
            for c, k in zip(corpus, known, strict=True)
            if k.sum() == len(phrase)
        ]
        assert any(same)


def test_one_task_or_one_level_leaves_nothing_to_compare(episodes: EpisodeSet) -> None:
    tokens = np.zeros((12, 6, 1, 1), np.float16)
    with pytest.raises(NeedsError, match="1 tasks whose episodes are of at least 3 levels"):
        LevelPairs(replace(episodes, task=np.zeros(12, np.int64)), tokens, n_frames=8)
    with pytest.raises(NeedsError, match="3 tasks whose episodes are of at least 1 levels"):
        LevelPairs(replace(episodes, level=np.zeros(12, np.int64)), tokens, n_frames=8)


def test_the_loss_of_a_constant_scorer_is_log_two_a_comparison(
    pairs: LevelPairs, phrases: PhraseTokens
) -> None:
    network = VLPClipNetwork(SMALL).eval()
    torch.nn.init.zeros_(list(network.head.parameters())[-1])
    batch = pairs.draw(3, np.random.default_rng(0))
    texts, mask = phrases.draw(batch.task, np.random.default_rng(0))
    loss = training_of._loss(
        network, batch.segments, texts, mask, batch.prefer_second, VLPClipTraining()
    )
    assert loss.item() == pytest.approx((1 + 0.1 + 2 * 0.5) * math.log(2), rel=1e-5)


def test_negatives_are_the_segments_and_instructions_of_the_next_rows(
    pairs: LevelPairs, phrases: PhraseTokens
) -> None:
    torch.manual_seed(0)
    network = VLPClipNetwork(SMALL).eval()
    batch = pairs.draw(3, np.random.default_rng(0))
    texts, mask = phrases.draw(batch.task, np.random.default_rng(0))
    video, text = network.read_video(batch.segments), network.read_text(texts, mask)

    def f(segment: int, task: int) -> float:
        return network.score(
            video[[segment]], text[[task]], mask[[task]]
        ).item()  # segments 0-2 are first, 3-5 second

    def cost(better: float, worse: float) -> float:
        return math.log1p(math.exp(worse - better))

    expected = 0.0
    for row in range(3):
        better, worse = (row + 3, row) if batch.prefer_second[row] else (row, row + 3)
        expected += cost(f(better, row), f(worse, row)) / 3
        for shift in (1, 2):  # two other tasks, although four negatives were asked for
            other = (row + shift) % 3
            ways = [cost(f(a, other), f(b, other)) for a, b in ((row, row + 3), (row + 3, row))]
            expected += 0.1 * sum(ways) / 2 / 6
            expected += 0.5 * (cost(f(row, row), f(other, row))) / 6
            expected += 0.5 * (cost(f(row + 3, row), f(other, row))) / 6
    loss = training_of._loss(
        network, batch.segments, texts, mask, batch.prefer_second, VLPClipTraining(n_negatives=4)
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def train(
    pairs: LevelPairs, phrases: PhraseTokens, training: VLPClipTraining, **kwargs: object
) -> tuple[VLPClipNetwork, list[float]]:
    torch.manual_seed(0)
    network = VLPClipNetwork(SMALL)
    losses: list[float] = []

    def note(stage: str, step: int, steps: int, loss: float) -> None:
        losses.append(loss)
        if len(losses) == kwargs.get("cut_off_after"):
            raise KeyboardInterrupt

    kept = {k: v for k, v in kwargs.items() if k != "cut_off_after"}
    fit_vlp_clip(network, pairs, phrases, training, report=note, **kept)  # type: ignore[arg-type]
    return network.eval(), losses


def test_training_learns_which_segment_is_better(
    episodes: EpisodeSet, phrases: PhraseTokens
) -> None:
    tokens = np.zeros((12, 6, 1, 32), np.float16)
    tokens[np.arange(12), ..., LEVELS] = 3
    tokens[np.arange(12), ..., 3 + episodes.task] = 3
    pairs = LevelPairs(episodes, tokens, n_frames=8)
    network, losses = train(pairs, phrases, VLPClipTraining(steps=100, learning_rate=2e-3))
    assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:10])
    right = 0.0
    for seed in range(100, 110):
        batch = pairs.draw(3, np.random.default_rng(seed))
        texts, mask = phrases.draw(batch.task, np.random.default_rng(seed))
        first, second = network.read_video(batch.segments).chunk(2)
        text = network.read_text(texts, mask)
        better = network.score(second, text, mask) > network.score(first, text, mask)
        right += float((better == batch.prefer_second.bool()).float().mean())
    assert right / 10 > 0.9


def test_a_training_that_was_cut_off_ends_with_the_weights_of_one_that_was_not(
    pairs: LevelPairs, phrases: PhraseTokens, tmp_path: Path
) -> None:
    training = VLPClipTraining(steps=7)
    whole, losses = train(pairs, phrases, training)
    path = tmp_path / "state.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(pairs, phrases, training, state=TrainingState(path, every=2), cut_off_after=5)
    resumed, rest = train(pairs, phrases, training, state=TrainingState(path, every=2))
    assert rest == losses[4:]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_score_statistics_are_those_of_the_scores(pairs: LevelPairs, phrases: PhraseTokens) -> None:
    network = VLPClipNetwork(replace(SMALL, sigmoid=True))
    torch.nn.init.zeros_(list(network.head.parameters())[-1])
    mean, std = score_statistics(network, pairs, phrases, seed=0, n_windows=12)
    assert mean == pytest.approx(0.5)
    assert std == pytest.approx(0.0)
