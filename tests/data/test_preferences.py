import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vlfeedback
from vlfeedback.data.preferences import LabelRecord, PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList, sample_segment_pairs
from vlfeedback.errors import FileFormatError, NeedsError, ShapeError
from vlfeedback.types import LabelRecord as MovedRecord
from vlfeedback.types import Outcome, PreferenceLabels, Trajectory


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


def mixed() -> PreferenceDataset:
    """Six pairs with all six outcomes, by two labellers."""
    return PreferenceDataset(
        draw(6),
        PreferenceLabels(
            np.array([0.5, 0.5, np.nan, 0, 0, 1], np.float32),
            np.array([1, 2, 3, 4, 5, 0], np.uint8),
            cost_usd=np.array([0.5, 0.25, 0.25, 0, 0, 1.5]),
            tokens=np.array([900, 100, 100, 0, 0, 0]),
            seconds=np.array([2, 2, 2, 60, 0, 8.0]),
            labeller=np.array([0, 0, 0, 0, 0, 1]),
        ),
        ("go",) * 6,
        (LabelRecord("a:A", model="gpt"), LabelRecord("a person")),
    )


def ends(pairs: SegmentPairList) -> list[list[tuple[str, int, int]]]:
    return [[(s.trajectory.id, s.start, s.length) for s in pair] for pair in pairs]


def assert_equal(one: PreferenceDataset, other: PreferenceDataset) -> None:
    assert ends(one.pairs) == ends(other.pairs)
    for name in ("prefer_second", "outcome", "cost_usd", "tokens", "seconds"):
        np.testing.assert_array_equal(getattr(one.labels, name), getattr(other.labels, name))
    assert one.instructions == other.instructions
    said = [[d.labelled_by[k] for k in d.labels.labeller] for d in (one, other)]
    assert said[0] == said[1]


# --- what a dataset is


def test_left_out_there_is_no_instruction_no_cost_and_an_unknown_labeller() -> None:
    made = PreferenceDataset(draw(3), labels(0, 1, 1))
    assert made.instructions == ("", "", "")
    assert made.labelled_by == (LabelRecord("unknown"),)
    assert made.record_of.tolist() == [0, 0, 0] and made.cost.tolist() == [0, 0, 0]
    assert made.length == 5 and len(made) == 3


def test_who_and_what_cost_may_be_said_beside_the_labels_and_is_then_part_of_them() -> None:
    made = PreferenceDataset(
        draw(2),
        labels(0, 1),
        labelled_by=(LabelRecord("a:A"), LabelRecord("b:B")),
        record_of=np.array([1, 0]),
        cost=np.array([0.5, 0]),
    )
    assert made.labels.labeller.tolist() == made.record_of.tolist() == [1, 0]
    assert made.labels.cost_usd.tolist() == made.cost.tolist() == [0.5, 0]
    assert LabelRecord is MovedRecord


def test_the_summary_adds_up_what_each_labeller_took() -> None:
    first, person = mixed().summary()
    assert (first.labeller.source, first.pairs) == ("a:A", 5)
    assert first.outcomes == {
        Outcome.UNSURE: 1,
        Outcome.REFUSED: 1,
        Outcome.UNPARSABLE: 1,
        Outcome.FAILED: 1,
        Outcome.SKIPPED: 1,
    }
    assert (first.cost_usd, first.tokens, first.seconds) == (1.0, 1100, 66)
    assert str(person) == "a person: 1 pairs (1 answered), $1.50, 0 tokens, 8 s"
    assert str(first) == (
        "a:A (gpt): 5 pairs (1 unsure, 1 refused, 1 unparsable, 1 failed, 1 skipped), $1.00, "
        "1,100 tokens, 66 s"
    )


def test_a_labeller_without_a_pair_is_not_in_the_summary() -> None:
    assert [totals.labeller.source for totals in mixed().take([5]).summary()] == ["a person"]
    assert mixed().take([]).summary() == ()


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
        ({"record_of": np.array([0, 1, 0, 2])}, r"labels\.labeller runs from 0 to 2; .* 2 records"),
        ({"cost": np.zeros(3)}, r"cost_usd has shape \(3,\)"),
    ],
)
def test_every_pair_has_its_row(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        dataset(**changes)


def test_a_dataset_shows_counts_instead_of_numbers() -> None:
    shown = repr(dataset())
    assert shown == "PreferenceDataset(T=5, PreferenceLabels(N=4, answered=3, ties=1, skipped=1))"


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
    said = [both.labelled_by[k].source for k in both.labels.labeller]
    assert said == ["b:B", "a:A", "b:B", "a:A", "b:B", "c:C"]
    assert_equal(both.take(slice(4)), one)
    assert_equal(both.take([4, 5]), other)
    assert len(one) == 4


def test_appending_keeps_outcomes_and_costs() -> None:
    both = mixed().append(mixed().take([1, 5]))
    assert_equal(both.take(slice(6)), mixed())
    assert_equal(both.take([6, 7]), mixed().take([1, 5]))
    assert both.labelled_by == mixed().labelled_by


def test_segments_of_another_length_cannot_be_appended() -> None:
    other = PreferenceDataset([(TRAJECTORIES[0].segment(0, 6),) * 2], labels(0))
    with pytest.raises(ShapeError, match="Pair 4 compares segments of 6 and 6 steps; expected 5"):
        dataset().append(other)


def test_nothing_is_learnt_from_refusals() -> None:
    unanswered = dataset(labels=labels(0, 1, 1, 1, answered=[False] * 4))
    with pytest.raises(ValueError, match=r"0 of 4 pairs are answered: .* given by a:A"):
        unanswered.check_trainable()


def test_why_nothing_can_be_learnt_is_said_by_outcome() -> None:
    outcome = np.array([Outcome.REFUSED] * 3 + [Outcome.FAILED], np.uint8)
    unanswered = dataset(labels=PreferenceLabels(np.zeros(4, np.float32), outcome))
    message = r"0 of 4 pairs are answered: .*\(3 of 4 pairs were refused, 1 of 4 pairs failed\)\. "
    with pytest.raises(ValueError, match=message):
        unanswered.check_trainable()
    mixed().check_trainable()
    with pytest.raises(ValueError, match=r"1 of 1 labels are ties: .*\(1 of 2 pairs were unsure\)"):
        ties = PreferenceLabels(np.full(2, 0.5, np.float32), np.array([0, 1], np.uint8))
        PreferenceDataset(draw(2), ties).check_trainable()


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
    # As in every release so far.
    assert (
        dataset(10).digest() == "63ea692479b31c472bd9a53cb286e11d7b8af50b57b8222b6c3ee5ddd26f6ef7"
    )


def test_why_a_pair_is_unanswered_does_not_change_the_digest() -> None:
    refused = np.array([0, 0, 0, Outcome.REFUSED], np.uint8)
    changed = PreferenceLabels(dataset().labels.prefer_second, refused)
    assert dataset(labels=changed).digest() == dataset().digest()


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
            "outcome": "answered",
            "instruction": "go 0",
            "record": 1,
            "cost_usd": 0.0,
            "tokens": 0,
            "seconds": 0.0,
        }
    ]
    header = json.loads(table.schema.metadata[b"vlfeedback"])
    assert (header["format"], header["version"]) == ("vlfeedback-preferences", 2)
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
    with pytest.raises(FileFormatError, match=r"labels\.parquet is no readable file of prefer"):
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
    del old["sha256"]  # as in files that others write
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    meta = {b"vlfeedback": json.dumps(old | header).encode()}
    parquet.write_table(table.replace_schema_metadata(meta), path)


def test_a_newer_file_is_refused(saved: Path) -> None:
    rewrite(saved, {"version": 3})
    with pytest.raises(FileFormatError, match="has version 3; this release reads up to 2"):
        PreferenceDataset.load(saved, TRAJECTORIES)


def test_a_file_with_impossible_labels_is_damaged(saved: Path) -> None:
    rewrite(saved, {}, prefer_second=[2.0] * 10)
    with pytest.raises(FileFormatError, match=r"is damaged \(prefer_second must lie in"):
        PreferenceDataset.load(saved, TRAJECTORIES)


def test_a_file_with_an_unknown_outcome_is_damaged(saved: Path) -> None:
    rewrite(saved, {}, outcome=["forgotten"] * 10)
    with pytest.raises(FileFormatError, match=r"is damaged \('FORGOTTEN'\)"):
        PreferenceDataset.load(saved, TRAJECTORIES)


def test_every_outcome_and_cost_comes_back_from_a_file(tmp_path: Path) -> None:
    mixed().save(tmp_path / "labels.parquet")
    read = PreferenceDataset.load(tmp_path / "labels.parquet", TRAJECTORIES)
    assert_equal(read, mixed())
    assert read.labels.outcome.tolist() == [1, 2, 3, 4, 5, 0]
    assert read.labelled_by == mixed().labelled_by


def test_a_file_of_version_1_says_the_same_as_ever() -> None:
    path = Path(__file__).with_name("preferences_version_1.parquet")  # dataset(6) of release 0.1.0
    read = PreferenceDataset.load(str(path), TRAJECTORIES)
    assert_equal(read, dataset(6))
    assert read.digest() == "0aa7143a6e7d0ce0eda6114d9d46c587dcb4530afc5586a36da0e2756d416269"
    assert read.labels.outcome.tolist() == [0, 0, 0, Outcome.SKIPPED, 0, 0]
    np.testing.assert_allclose(read.labels.cost_usd, [0, 0.06, 0.12, 0.18, 0.24, 0.3])
    assert not read.labels.tokens.any() and not read.labels.seconds.any()


def test_a_file_of_version_1_becomes_one_of_version_2(tmp_path: Path) -> None:
    old = Path(__file__).with_name("preferences_version_1.parquet")
    PreferenceDataset.load(old, TRAJECTORIES).save(str(tmp_path / "new.parquet"))
    assert_equal(PreferenceDataset.load(tmp_path / "new.parquet", TRAJECTORIES), dataset(6))


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


def test_the_public_name_is_this() -> None:
    assert vlfeedback.PreferenceDataset is PreferenceDataset
