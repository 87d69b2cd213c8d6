import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vlfeedback
from vlfeedback.data.preferences import LabelRecord, PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList, sample_segment_pairs
from vlfeedback.errors import FileFormatError, NeedsError, ShapeError
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.types import PreferenceLabels, SegmentPairs, SourceNeeds, Trajectory


def trajectory(name: str, length: int = 20, **changes: Any) -> Trajectory:
    rng = np.random.default_rng(sum(name.encode()))
    fields: dict[str, Any] = {
        "observations": rng.normal(size=(length + 1, 3)).astype(np.float32),
        "actions": rng.normal(size=(length, 2)).astype(np.float32),
        "env_rewards": rng.normal(size=length).astype(np.float32),
        "id": name,
    }
    return Trajectory(**(fields | changes))


TRAJECTORIES = [trajectory(f"t{n}") for n in range(30)]


def draw(n_pairs: int, seed: int = 0) -> SegmentPairList:
    return sample_segment_pairs(TRAJECTORIES, n_pairs, 5, rng=np.random.default_rng(seed))


def labels(*values: float, answered: list[bool] | None = None) -> PreferenceLabels:
    return PreferenceLabels(
        np.array(values, np.float32), np.array(answered or [True] * len(values))
    )


def dataset(n_pairs: int = 4, seed: int = 0, **changes: Any) -> PreferenceDataset:
    made = PreferenceDataset(
        draw(n_pairs, seed),
        PreferenceLabels(
            np.resize(np.array([0, 1, 0.5, 0.25], np.float32), n_pairs),
            np.resize(np.array([True, True, True, False]), n_pairs),
        ),
        tuple(f"go {n}" for n in range(n_pairs)),
        (LabelRecord("a:A", '{"seed": 1}', "gpt", "rl-vlm-f/1"), LabelRecord("b:B")),
        np.resize(np.array([1, 0], np.int64), n_pairs),
        np.linspace(0, 0.3, n_pairs),
    )
    return dataclasses.replace(made, **changes)


def ends(pairs: SegmentPairList) -> list[list[tuple[str, int, int]]]:
    return [[(s.trajectory.id, s.start, s.length) for s in pair] for pair in pairs]


def assert_equal(one: PreferenceDataset, other: PreferenceDataset) -> None:
    assert ends(one.pairs) == ends(other.pairs)
    np.testing.assert_array_equal(one.labels.prefer_second, other.labels.prefer_second)
    np.testing.assert_array_equal(one.labels.answered, other.labels.answered)
    assert one.instructions == other.instructions
    said = [[d.labelled_by[k] for k in d.record_of] for d in (one, other)]
    assert said[0] == said[1]
    np.testing.assert_array_equal(one.cost, other.cost)


class Asked:
    """Prefers the second; remembers what it was asked, and fails on request."""

    needs = SourceNeeds(env_rewards=True)
    cost_per_pair = 0.5
    model = "gpt"

    def __init__(self, fail_at: int | None = None) -> None:
        self.batches: list[int] = []
        self.instructions: list[str] | None = []
        self.fail_at = fail_at

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        if len(self.batches) == self.fail_at:
            raise TimeoutError("no answer for 60 s")
        self.batches.append(len(pairs))
        given = pairs.second.instructions
        self.instructions = None if given is None else [*(self.instructions or []), *given]
        answered = np.arange(len(pairs)) > 0  # the first of each batch is refused
        return PreferenceLabels(np.ones(len(pairs), np.float32), answered)


# --- what a dataset is


def test_left_out_there_is_no_instruction_no_cost_and_an_unknown_labeller() -> None:
    made = PreferenceDataset(draw(3), labels(0, 1, 1))
    assert made.instructions == ("", "", "")
    assert made.labelled_by == (LabelRecord("unknown"),)
    assert made.record_of.tolist() == [0, 0, 0] and made.cost.tolist() == [0, 0, 0]
    assert made.length == 5 and len(made) == 3


def test_segments_of_unequal_length_are_refused_with_the_pair() -> None:
    pairs = [*draw(2), (TRAJECTORIES[0].segment(0, 5), TRAJECTORIES[1].segment(0, 6))]
    with pytest.raises(ShapeError, match="Pair 2 compares segments of 5 and 6 steps; expected 5"):
        PreferenceDataset(pairs, labels(0, 1, 1))


def test_pairs_of_another_length_than_the_first_are_refused() -> None:
    pairs = [*draw(2), (TRAJECTORIES[0].segment(0, 6), TRAJECTORIES[1].segment(0, 6))]
    with pytest.raises(ShapeError, match=r"Pair 2 .* 6 and 6 steps; expected 5, as the first"):
        PreferenceDataset(pairs, labels(0, 1, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": labels(0, 1)}, "labels has 2 rows; expected 4"),
        ({"instructions": ("go",)}, "instructions has 1 rows; expected 4"),
        ({"record_of": np.array([0, 1, 0, 2])}, "record_of runs from 0 to 2; .* has 2 records"),
    ],
)
def test_every_pair_has_its_row(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        dataset(**changes)


def test_a_dataset_shows_counts_instead_of_numbers() -> None:
    shown = repr(dataset())
    assert shown == "PreferenceDataset(T=5, PreferenceLabels(N=4, answered=3, ties=1))"


def test_only_answered_pairs_are_trained_on_and_ties_are_among_them() -> None:
    answered = dataset().answered()
    assert answered.labels.prefer_second.tolist() == [0, 1, 0.5]
    assert answered.instructions == ("go 0", "go 1", "go 2")
    assert ends(answered.pairs) == ends(dataset().pairs[:3])


def test_appending_keeps_who_said_what_and_names_each_labeller_once() -> None:
    one = dataset()
    other = dataset(2, seed=1, labelled_by=(LabelRecord("c:C"), LabelRecord("b:B")))
    both = one.append(other)
    assert [record.source for record in both.labelled_by] == ["a:A", "b:B", "c:C"]
    said = [both.labelled_by[k].source for k in both.record_of]
    assert said == ["b:B", "a:A", "b:B", "a:A", "b:B", "c:C"]
    assert_equal(both.take(slice(4)), one)
    assert_equal(both.take([4, 5]), other)
    assert len(one) == 4


def test_segments_of_another_length_cannot_be_appended() -> None:
    other = PreferenceDataset([(TRAJECTORIES[0].segment(0, 6),) * 2], labels(0))
    with pytest.raises(ShapeError, match="Pair 4 compares segments of 6 and 6 steps; expected 5"):
        dataset().append(other)


def test_nothing_is_learnt_from_refusals() -> None:
    unanswered = dataset(labels=labels(0, 1, 1, 1, answered=[False] * 4))
    with pytest.raises(ValueError, match=r"0 of 4 pairs are answered: .* given by a:A"):
        unanswered.check_trainable()


def test_nothing_is_learnt_from_ties_alone() -> None:
    tied = dataset(labels=labels(0.5, 0.5, 0.5, 1, answered=[True, True, True, False]))
    with pytest.raises(ValueError, match=r"3 of 3 labels are ties: .*Lower the labeller's tie m"):
        tied.check_trainable()
    dataset(labels=labels(0.5, 0.5, 0.5, 1)).check_trainable()


def test_sources_that_agree_have_equal_digests_whoever_they_are() -> None:
    one = dataset()
    other = dataset(
        labelled_by=(LabelRecord("c:C"),),
        record_of=np.zeros(4, np.int64),
        cost=np.ones(4),
        instructions=("else",) * 4,
        labels=labels(0, 1, 0.5, 0.75, answered=[True, True, True, False]),
    )
    assert one.digest() == other.digest()
    assert len(one.digest()) == 64


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": labels(0, 1, 0.5, 0.25)},
        {"labels": labels(1, 1, 0.5, 0.25, answered=[True, True, True, False])},
        {"pairs": [*draw(3), draw(1, seed=9)[0]]},
        {"pairs": [(second, first) for first, second in draw(4)]},
    ],
)
def test_another_pair_or_label_gives_another_digest(changes: dict[str, Any]) -> None:
    assert dataset().digest() != dataset(**changes).digest()


# --- splitting


def names(part: PreferenceDataset) -> set[str]:
    return {segment.trajectory.id for pair in part.pairs for segment in pair}


@pytest.mark.parametrize("n_pairs", [10, 40, 400])
@pytest.mark.parametrize("seed", range(5))
def test_no_trajectory_is_in_both_halves(n_pairs: int, seed: int) -> None:
    full = PreferenceDataset(draw(n_pairs, seed), labels(*[1.0] * n_pairs))
    training, held_out = full.split(0.1, rng=np.random.default_rng(seed))
    assert not names(training) & names(held_out)
    assert len(held_out) >= n_pairs // 10 and len(training) > 0


def test_pairs_that_straddle_the_cut_are_in_neither_half_and_no_others_are_lost() -> None:
    full = PreferenceDataset(draw(60), labels(*[1.0] * 60))
    training, held_out = full.split(0.2, rng=np.random.default_rng(0))
    kept = ends(training.pairs) + ends(held_out.pairs)
    lost = [pair for pair in full.pairs if ends([pair])[0] not in kept]
    assert len(training) + len(held_out) + len(lost) == 60 and lost
    for pair in lost:
        sides = {s.trajectory.id for s in pair}
        assert sides & names(held_out) or sides & names(training)
        assert not sides <= names(training) and not sides <= names(held_out)


def test_pairs_of_separate_trajectories_are_split_without_loss() -> None:
    pairs = [
        (TRAJECTORIES[2 * n].segment(0, 5), TRAJECTORIES[2 * n + 1].segment(0, 5))
        for n in range(15)
    ]
    full = PreferenceDataset(pairs, labels(*[1.0] * 15), cost=np.arange(15.0))
    training, held_out = full.split(0.2, rng=np.random.default_rng(0))
    assert (len(training), len(held_out)) == (12, 3)
    assert training.cost.tolist() == sorted(training.cost)


def test_the_same_seed_splits_alike_and_another_otherwise() -> None:
    full = PreferenceDataset(draw(60), labels(*[1.0] * 60))
    held_out = [names(full.split(rng=np.random.default_rng(seed))[1]) for seed in (3, 3, 4)]
    assert held_out[0] == held_out[1] != held_out[2]


@pytest.mark.parametrize("n_pairs", [1, 8])
def test_pairs_of_two_trajectories_cannot_be_split(n_pairs: int) -> None:
    pair = (TRAJECTORIES[0].segment(0, 5), TRAJECTORIES[1].segment(0, 5))
    full = PreferenceDataset([pair] * n_pairs, labels(*[1.0] * n_pairs))
    with pytest.raises(ValueError, match=f"{n_pairs} pairs of 2 trajectories cannot be split by"):
        full.split(rng=np.random.default_rng(0))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_a_share_outside_zero_and_one_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"expected a share of the pairs, above 0 and below 1"):
        dataset().split(share, rng=np.random.default_rng(0))


# --- files


def test_a_file_brings_everything_back(tmp_path: Path) -> None:
    dataset(10).save(tmp_path / "new folder" / "labels.parquet")
    read = PreferenceDataset.load(tmp_path / "new folder" / "labels.parquet", TRAJECTORIES)
    assert_equal(read, dataset(10))
    assert read.digest() == dataset(10).digest()
    assert read.labelled_by == dataset().labelled_by
    assert read.pairs[0][0].trajectory in TRAJECTORIES
    assert [p.name for p in (tmp_path / "new folder").iterdir()] == ["labels.parquet"]


def test_a_dataset_without_pairs_is_a_file_as_well(tmp_path: Path) -> None:
    dataset().take(slice(0)).save(tmp_path / "labels.parquet")
    assert len(PreferenceDataset.load(tmp_path / "labels.parquet", [])) == 0


def test_anybody_can_read_the_rows(tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    made = dataset()
    made.save(tmp_path / "labels.parquet")
    table = parquet.read_table(tmp_path / "labels.parquet")
    first, second = made.pairs[0]
    assert table.slice(0, 1).to_pylist() == [
        {
            "first_id": first.trajectory.id,
            "first_start": first.start,
            "second_id": second.trajectory.id,
            "second_start": second.start,
            "length": 5,
            "prefer_second": 0.0,
            "answered": True,
            "instruction": "go 0",
            "record": 1,
            "cost": 0.0,
        }
    ]
    header = json.loads(table.schema.metadata[b"vlfeedback"])
    assert (header["format"], header["version"]) == ("vlfeedback-preferences", 1)
    assert header["labelled_by"][0]["config"] == '{"seed": 1}'


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    dataset(10).save(tmp_path / "labels.parquet")
    return tmp_path / "labels.parquet"


def test_a_missing_trajectory_is_named(saved: Path) -> None:
    gone = dataset(10).pairs[0][0].trajectory
    others = [t for t in TRAJECTORIES if t is not gone]
    with pytest.raises(FileFormatError, match=rf"1 of them are not .* as '{gone.id}'\. Give all"):
        PreferenceDataset.load(saved, others)


def test_two_trajectories_of_one_id_are_refused(saved: Path) -> None:
    name = dataset(10).pairs[0][0].trajectory.id
    with pytest.raises(FileFormatError, match=f"trajectory '{name}', and two of those given have"):
        PreferenceDataset.load(saved, [*TRAJECTORIES, trajectory(name)])


def test_a_trajectory_that_ends_before_its_segment_is_another_one(saved: Path) -> None:
    short = [trajectory(t.id, 5) for t in TRAJECTORIES]
    with pytest.raises(FileFormatError, match=r"and the one given has 5\. It is not the one that"):
        PreferenceDataset.load(saved, short)


def test_a_missing_file_is_no_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No file of preferences .*none\.parquet"):
        PreferenceDataset.load(tmp_path / "none.parquet", TRAJECTORIES)


def test_a_truncated_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-20])
    with pytest.raises(FileFormatError, match=r"cannot be read .*truncated, damaged, or no"):
        PreferenceDataset.load(saved, TRAJECTORIES)


def test_parquet_of_another_kind_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    parquet.write_table(pa.table({"label": [1]}), tmp_path / "labels.parquet")
    with pytest.raises(FileFormatError, match=r"no file of preferences \(format=None, columns"):
        PreferenceDataset.load(tmp_path / "labels.parquet", TRAJECTORIES)


def rewrite(path: Path, header: dict[str, Any], **columns: list[Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    table = parquet.read_table(path)
    old = json.loads(table.schema.metadata[b"vlfeedback"])
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    meta = {b"vlfeedback": json.dumps(old | header).encode()}
    parquet.write_table(table.replace_schema_metadata(meta), path)


def test_a_newer_file_is_refused(saved: Path) -> None:
    rewrite(saved, {"version": 2})
    with pytest.raises(FileFormatError, match="has version 2; this release reads up to 1"):
        PreferenceDataset.load(saved, TRAJECTORIES)


def test_a_file_with_impossible_labels_is_damaged(saved: Path) -> None:
    rewrite(saved, {}, prefer_second=[2.0] * 10)
    with pytest.raises(FileFormatError, match=r"is damaged \(prefer_second must lie in"):
        PreferenceDataset.load(saved, TRAJECTORIES)


def test_trajectories_without_an_id_cannot_be_referred_to(tmp_path: Path) -> None:
    nameless = [trajectory("", 20), trajectory("", 21)]
    made = PreferenceDataset([(nameless[0].segment(0, 5), nameless[1].segment(0, 5))], labels(1))
    with pytest.raises(NeedsError, match="refers to trajectories by id, and one has none"):
        made.save(tmp_path / "labels.parquet")


def test_two_different_trajectories_of_one_id_are_not_written(tmp_path: Path) -> None:
    twins = [trajectory("t", 20), trajectory("t", 21)]
    made = PreferenceDataset([(twins[0].segment(0, 5), twins[1].segment(0, 5))], labels(1))
    with pytest.raises(NeedsError, match=r"two have the id 't'; give each its own"):
        made.save(tmp_path / "labels.parquet")
    assert not list(tmp_path.iterdir())


def test_a_trajectory_that_was_read_twice_is_still_one(tmp_path: Path) -> None:
    again = [trajectory("t", 20), trajectory("t", 20)]
    made = PreferenceDataset([(again[0].segment(0, 5), again[1].segment(3, 5))], labels(1))
    made.save(tmp_path / "labels.parquet")
    assert len(PreferenceDataset.load(tmp_path / "labels.parquet", again[:1])) == 1


def test_a_write_that_fails_leaves_the_old_file(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        dataset(4).save(saved)
    assert saved.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["labels.parquet"]


# --- labelling


def test_labels_are_those_of_the_labeller_in_the_order_of_the_pairs() -> None:
    pairs = draw(10)
    made = label_pairs(pairs, PreferenceFromReward(EnvReward()), batch_size=3)
    sums = [[s.read("env_rewards").sum(dtype=np.float64) for s in pair] for pair in pairs]
    assert made.labels.prefer_second.tolist() == [float(b > a) for a, b in sums]
    assert made.labels.answered.all()
    assert ends(made.pairs) == ends(pairs)


def test_the_record_says_who_was_asked_and_with_which_settings() -> None:
    made = label_pairs(draw(4), PreferenceFromReward(EnvReward(), tie_margin=0.5))
    (record,) = made.labelled_by
    assert record.source == "vlfeedback.preferences.from_reward:PreferenceFromReward"
    assert json.loads(record.config)["tie_margin"] == 0.5
    assert made.cost.tolist() == [0] * 4


def test_a_labeller_that_costs_and_asks_a_model_is_recorded_so() -> None:
    made = label_pairs(draw(4), Asked())
    assert made.labelled_by[0].model == "gpt"
    assert made.cost.tolist() == [0.5] * 4


@pytest.mark.parametrize(
    ("instruction", "seen"),
    [(None, None), ("go", ["go"] * 3), (["a", "b", "c"], ["a", "b", "c"])],
)
def test_the_labeller_is_told_the_instruction_of_each_pair(
    instruction: Any, seen: list[str] | None
) -> None:
    labeller = Asked()
    made = label_pairs(draw(3), labeller, instruction=instruction, batch_size=2)
    assert labeller.instructions == seen
    assert made.instructions == tuple(seen or ["", "", ""])


def test_another_number_of_instructions_than_pairs_is_refused() -> None:
    with pytest.raises(ShapeError, match="2 instructions for 3 pairs"):
        label_pairs(draw(3), Asked(), instruction=["a", "b"])


def test_progress_is_reported_after_each_batch() -> None:
    seen: list[tuple[str, int, int]] = []
    label_pairs(draw(5), Asked(), batch_size=2, report=lambda *said: seen.append(said[:3]))
    assert seen == [("labels", 2, 5), ("labels", 4, 5), ("labels", 5, 5)]


def test_what_was_answered_before_a_failure_is_kept_and_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    pairs = draw(10)
    with pytest.raises(TimeoutError, match="no answer") as failed:
        label_pairs(pairs, Asked(fail_at=2), batch_size=4, save_to=path)
    assert failed.value.__notes__ == [
        f"{__name__}:Asked was asked about pairs 8 to 9 of 10; the answers to the 8 before them "
        f"are kept in {path}."
    ]
    again = Asked()
    made = label_pairs(pairs, again, batch_size=4, save_to=path)
    assert again.batches == [2]
    assert_equal(made, label_pairs(pairs, Asked(), batch_size=4))
    assert_equal(made, PreferenceDataset.load(path, TRAJECTORIES))


def test_without_a_file_a_failure_says_how_to_keep_answers() -> None:
    with pytest.raises(TimeoutError) as failed:
        label_pairs(draw(10), Asked(fail_at=1), batch_size=4)
    assert "the 4 before them are lost; give save_to" in failed.value.__notes__[0]


def test_a_finished_file_asks_nothing_and_more_pairs_ask_only_those(tmp_path: Path) -> None:
    path, pairs = tmp_path / "labels.parquet", draw(6)
    label_pairs(pairs[:4], Asked(), save_to=path)
    silent, more = Asked(fail_at=0), Asked()
    assert len(label_pairs(pairs[:4], silent, save_to=path)) == 4
    assert len(label_pairs(pairs[:2], silent, save_to=path)) == 2
    assert len(label_pairs(pairs, more, save_to=path)) == 6
    assert more.batches == [2]


def test_a_file_about_other_pairs_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    label_pairs(draw(4), Asked(), save_to=path)
    pairs = [(second, first) for first, second in draw(4)]
    with pytest.raises(FileFormatError, match=r"about other pairs .*the same seed.*another path"):
        label_pairs(pairs, Asked(), save_to=path)
    with pytest.raises(FileFormatError, match="about other pairs or instructions"):
        label_pairs(draw(4), Asked(), instruction="go", save_to=path)


def test_answers_of_two_labellers_are_not_mixed(tmp_path: Path) -> None:
    path, pairs = tmp_path / "labels.parquet", draw(4)
    label_pairs(pairs, PreferenceFromReward(EnvReward(), tie_margin=0.5), save_to=path)
    with pytest.raises(FileFormatError, match=r"0\.5.* and .*0\.1.* is asked now"):
        label_pairs(pairs, PreferenceFromReward(EnvReward(), tie_margin=0.1), save_to=path)


def test_ids_that_no_file_can_refer_to_are_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    nameless = trajectory("")
    labeller = Asked()
    with pytest.raises(NeedsError, match="refers to trajectories by id, and one has none"):
        label_pairs([(nameless.segment(0, 5),) * 2], labeller, save_to=tmp_path / "x.parquet")
    assert not labeller.batches


def test_a_batch_without_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size=0; expected at least 1"):
        label_pairs(draw(4), Asked(), batch_size=0)


def test_no_pairs_give_no_labels() -> None:
    assert len(label_pairs([], Asked())) == 0


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Path]:
    """A file of a labeller that was killed while it thought about its third batch."""
    code = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_preferences as t
class Dying(t.Asked):
    def label(self, pairs):
        if len(self.batches) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().label(pairs)
Dying.__module__, Dying.__qualname__ = {__name__!r}, "Asked"
t.label_pairs(t.draw(10), Dying(), batch_size=3, save_to=Path({str(tmp_path / "x.parquet")!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    yield tmp_path / "x.parquet"


def test_a_killed_process_loses_nothing_it_had_answers_to(killed: Path) -> None:
    labeller = Asked()
    made = label_pairs(draw(10), labeller, batch_size=3, save_to=killed)
    assert labeller.batches == [3, 1]
    assert_equal(made, label_pairs(draw(10), Asked(), batch_size=3))


def test_the_public_names_are_these() -> None:
    assert vlfeedback.PreferenceDataset is PreferenceDataset
    assert vlfeedback.label_pairs is label_pairs
