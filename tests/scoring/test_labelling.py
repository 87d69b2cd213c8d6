from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.warm_python import python

import vlfeedback
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import ShapeError, SourceAnswerError
from vlfeedback.preferences import PreferenceFromReward
from vlfeedback.rewards.env_reward import EnvReward
from vlfeedback.scoring.labelling import label_pairs
from vlfeedback.testing import KnownCascade, KnownLabeller
from vlfeedback.testing.segments import random_segment_pairs
from vlfeedback.types import (
    ArrayFrames,
    LabelRecord,
    Outcome,
    PreferenceLabels,
    SegmentPairs,
    SourceNeeds,
    Trajectory,
)

KNOWN = "vlfeedback.testing.known_labellers:KnownLabeller"


def pairs(n: int) -> SegmentPairList:
    """Pair i compares actions that sum to 2 with some that sum to 2i, rewards likewise."""
    cut = []
    for i in range(n):
        sides = (
            Trajectory(
                observations=np.zeros((3, 1), np.float32),
                actions=np.full((2, 1), value, np.float32),
                env_rewards=np.full(2, value, np.float32),
                id=f"{i}-{value}",
            )
            for value in (1, i)
        )
        first, second = (side.segment(0, 2) for side in sides)
        cut.append((first, second))
    return cut


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
        answered = np.arange(len(pairs)) > 0  # the first of each batch is skipped
        return PreferenceLabels(np.ones(len(pairs), np.float32), answered)


def test_labels_are_those_of_the_labeller_in_the_order_of_the_pairs() -> None:
    made = label_pairs(pairs(4), PreferenceFromReward(EnvReward()), batch_size=3)
    assert made.labels.prefer_second.tolist() == [0, 0.5, 1, 1]
    assert made.labels.answered.all()


def test_who_answered_is_recorded_with_its_settings() -> None:
    made = label_pairs(pairs(4), PreferenceFromReward(EnvReward(), tie_margin=0.5))
    (record,) = made.labelled_by
    assert record.source == "vlfeedback.preferences.from_reward:PreferenceFromReward"
    assert '"tie_margin": 0.5' in record.config
    assert made.labels.cost_usd.tolist() == [0] * 4


def test_a_labeller_that_has_one_price_and_asks_a_model_is_recorded_so() -> None:
    made = label_pairs(pairs(4), Asked())
    assert made.labelled_by[0].model == "gpt"
    assert made.labels.cost_usd.tolist() == [0.5] * 4


def test_what_each_answer_took_is_as_the_labeller_says() -> None:
    texts = ["go", "go unsure", "refused", "skipped", "this failed", "unparsable", "go"]
    made = label_pairs(pairs(7), KnownLabeller(), instruction=texts, batch_size=2)
    assert made.labels.prefer_second.tolist() == [0, 0.5, 0.5, 0.5, 0.5, 0.5, 1]
    assert made.labels.outcome.tolist() == [
        Outcome.ANSWERED,
        Outcome.UNSURE,
        Outcome.REFUSED,
        Outcome.SKIPPED,
        Outcome.FAILED,
        Outcome.UNPARSABLE,
        Outcome.ANSWERED,
    ]
    assert made.labels.cost_usd.tolist() == [0.25, 0.25, 0.25, 0, 0.25, 0.25, 0.25]
    assert made.labels.tokens.tolist() == [100, 100, 100, 0, 100, 100, 100]
    assert made.labels.seconds.tolist() == [2, 2, 2, 0, 2, 2, 2]
    assert made.labelled_by[0].prompt == "known/1"
    assert len(made.answered()) == 2


def test_a_price_per_pair_does_not_replace_what_labels_say_they_cost() -> None:
    class Priced(KnownLabeller):
        cost_per_pair = 99.0

    made = label_pairs(pairs(2), Priced(), instruction="go")
    assert made.labels.cost_usd.tolist() == [0.25, 0.25]


def test_the_time_is_measured_where_the_labeller_does_not_say_it() -> None:
    made = label_pairs(pairs(4), Asked(), batch_size=2)
    seconds = made.labels.seconds
    assert np.all((seconds > 0) & (seconds < 1))
    assert seconds[0] == seconds[1] and seconds[2] == seconds[3]  # a batch shares its time


def test_several_labellers_are_recorded_with_who_said_what() -> None:
    made = label_pairs(
        pairs(4), KnownCascade(), instruction=["go", "go", "refused", "skipped"], batch_size=3
    )
    assert [record.source for record in made.labelled_by] == [
        KNOWN,
        "a person",
        "vlfeedback.testing.known_labellers:KnownCascade",
    ]
    assert made.labels.labeller.tolist() == [0, 0, 1, 0]
    assert made.labels.answered.tolist() == [True, True, True, False]
    assert made.labels.prefer_second.tolist()[:3] == [0, 0.5, 1]
    model, person = made.summary()
    assert (model.pairs, model.cost_usd) == (3, 0.5)
    assert (person.pairs, person.cost_usd, person.seconds) == (1, 1.25, 10)


@pytest.mark.parametrize(
    ("instruction", "seen"),
    [(None, None), ("go", ["go"] * 3), (["a", "b", "c"], ["a", "b", "c"])],
)
def test_the_labeller_is_told_the_instruction_of_each_pair(
    instruction: Any, seen: list[str] | None
) -> None:
    labeller = Asked()
    made = label_pairs(pairs(3), labeller, instruction=instruction, batch_size=2)
    assert labeller.instructions == seen
    assert made.instructions == tuple(seen or ["", "", ""])


def test_another_number_of_instructions_than_pairs_is_refused() -> None:
    with pytest.raises(ShapeError, match="2 instructions for 3 pairs"):
        label_pairs(pairs(3), Asked(), instruction=["a", "b"])


def test_a_labeller_that_measures_pairs_sees_all_of_them_first() -> None:
    class Measuring(KnownLabeller):
        measured: int | None = None

        def measured_on(self, pairs: SegmentPairList) -> KnownLabeller:
            measuring = Measuring()
            measuring.measured = len(pairs)
            return measuring

        def label(self, pairs: SegmentPairs) -> PreferenceLabels:
            assert self.measured == 5
            return super().label(pairs)

    assert len(label_pairs(pairs(5), Measuring(), instruction="go", batch_size=2)) == 5


class Together(KnownLabeller):
    """Looks at all questions twice, then answers as another."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.decided = KnownLabeller()

    def decided_on(self, questions: Any) -> KnownLabeller:
        for _ in range(2):
            self.seen.append([(len(batch), batch.first.instructions) for batch in questions])
        return self.decided


def test_a_labeller_that_decides_together_is_shown_all_questions_as_they_will_be_asked() -> None:
    labeller, told = Together(), []
    made = label_pairs(
        pairs(3),
        labeller,
        instruction=["a", "b", "c"],
        batch_size=2,
        report=lambda *a: told.append(a[:3]),
    )
    assert labeller.seen == [[(2, ["a", "b"]), (1, ["c"])]] * 2
    assert labeller.batch_sizes == [] and labeller.decided.batch_sizes == [2, 1]
    assert made.labelled_by[0].source.endswith("Together")
    deciding = [("deciding", 2, 3), ("deciding", 3, 3)]
    assert told == [*deciding, *deciding, ("labels", 2, 3), ("labels", 3, 3)]


def test_where_nothing_is_left_to_ask_nothing_is_decided(tmp_path: Path) -> None:
    path, labeller = tmp_path / "labels.parquet", Together()
    for _ in range(2):
        label_pairs(pairs(3), labeller, instruction="go", save_to=path)
    assert len(labeller.seen) == 2
    label_pairs(pairs(4), labeller, instruction="go", save_to=path)  # all four are shown again
    assert labeller.seen[-1] == [(4, ["go"] * 4)]
    assert labeller.decided.batch_sizes == [3, 1]


class Answers(KnownLabeller):
    """Gives what it is told to, whatever it is asked."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self._answer = answer

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        answer: PreferenceLabels = self._answer
        return answer


def labels(n: int, dtype: Any = np.float32, **fields: np.ndarray) -> PreferenceLabels:
    return PreferenceLabels(np.zeros(n, dtype), np.zeros(n, np.uint8), **fields)


def test_an_answer_that_is_no_label_of_these_pairs_names_the_labeller() -> None:
    for answer, message in (
        (labels(3), "Answers gave 3 labels for 2 pairs; expected 2"),
        (labels(2, labeller=np.array([0, 1])), "Answers has answers of labeller 1 and is 1; .* 0"),
    ):
        with pytest.raises(SourceAnswerError, match=message) as failed:
            label_pairs(pairs(2), Answers(answer), instruction="go")
        assert "was asked about pairs 0 to 1 of 2" in failed.value.__notes__[0]


def test_answers_of_another_type_name_the_labeller() -> None:
    # In a process without the checks of types that these tests run with.
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np, test_labelling as t
for answer in (np.zeros(2), t.labels(2, np.float64)):
    try:
        t.label_pairs(t.pairs(2), t.Answers(answer), instruction="go")
    except t.SourceAnswerError as error:
        print(error)
"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "test_labelling:Answers answered 2 pairs with ndarray; expected PreferenceLabels.",
        "test_labelling:Answers answered in float64; expected float32 prefer_second.",
    ]


def test_one_of_several_that_nobody_knows_is_refused() -> None:
    class Cascade(Answers):
        records = (LabelRecord("one"), LabelRecord("other"))

    third = labels(2, labeller=np.array([0, 2]))
    with pytest.raises(SourceAnswerError, match=r"Cascade has answers of labeller 2 and is 2; .*1"):
        label_pairs(pairs(2), Cascade(third), instruction="go")


def test_progress_is_reported_after_each_batch() -> None:
    seen: list[tuple[str, int, int]] = []
    label_pairs(pairs(5), Asked(), batch_size=2, report=lambda *said: seen.append(said[:3]))
    assert seen == [("labels", 2, 5), ("labels", 4, 5), ("labels", 5, 5)]


def test_without_a_file_a_failure_says_how_to_keep_answers() -> None:
    with pytest.raises(TimeoutError) as failed:
        label_pairs(pairs(10), Asked(fail_at=1), batch_size=4)
    assert "the 4 before them are lost; give save_to" in failed.value.__notes__[0]


def test_a_batch_without_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size=0; expected at least 1"):
        label_pairs(pairs(4), Asked(), batch_size=0)


def test_no_pairs_give_no_labels() -> None:
    assert len(label_pairs([], Asked())) == 0


def test_pictures_of_one_batch_at_a_time_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(KnownLabeller):
        needs = SourceNeeds(frames=True, actions=True, instruction=True)

    watched, read = Watched(), []
    original = ArrayFrames.read

    def counted(self: ArrayFrames, times: Any) -> Any:
        read.append(len(watched.batch_sizes))
        return original(self, times)

    monkeypatch.setattr(ArrayFrames, "read", counted)
    drawn = random_segment_pairs(Watched.needs, np.random.default_rng(0), n=6, picture_size=8)
    label_pairs(drawn, watched, instruction="go", batch_size=2)
    assert read == [0] * 4 + [1] * 4 + [2] * 4


def test_the_public_name_is_this() -> None:
    assert vlfeedback.label_pairs is label_pairs
