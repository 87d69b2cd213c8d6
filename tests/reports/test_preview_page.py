"""The page that is read before labels are paid for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.evaluation.labels.preview import preview_labels
from vlfeedback.reports.preview_page import describe_preview, preview_page, write_preview_page
from vlfeedback.testing import KnownCascade, KnownLabeller
from vlfeedback.types import (
    ArrayFrames,
    CostForecast,
    PreferenceLabels,
    Segment,
    SegmentPairs,
    SourceNeeds,
    Trajectory,
)

NEXT = "vlfeedback label --data d.h5 --labeller known --out l.parquet"


def pairs(n: int = 40, pictures: bool = True, reward: bool = True) -> SegmentPairList:
    """Pair i compares actions that sum to less with some that sum to more."""

    def side(value: float) -> Segment:
        shade = np.full((21, 8, 8, 3), round(100 * value), np.uint8)
        return Trajectory(
            observations=np.zeros((21, 3), np.float32),
            actions=np.full((20, 1), value, np.float32),
            env_rewards=np.full(20, value, np.float32) if reward else None,
            frames=ArrayFrames(np.arange(21), shade) if pictures else None,
            id=f"moves/{value:g}",
        ).segment(2, 16)

    return [(side(i / 100), side(1 + i / 100)) for i in range(n)]


class Talks(KnownLabeller):
    """Answers in words, some of them no good."""

    def explain(self, pairs: SegmentPairs) -> list[list[tuple[str, str]]]:
        return [
            [(f"Which one is better at '{text}'?", "<b>The second</b>, I am sure."), ("?", "1")]
            for text in pairs.first.instructions or ()
        ]


class Half(KnownLabeller):
    """Does not mind what it is shown, and foresees what that costs."""

    needs = SourceNeeds(frames=True, frame_stride=2)

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        assert pairs.first.frames is not None
        return PreferenceLabels(
            np.full(len(pairs), 0.25, np.float32), np.zeros(len(pairs), np.uint8)
        )

    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        return CostForecast(1.0, 900.0, None).times(float(len(pairs)))


def page(labeller: Any = None, words: str | None = "go", **more: Any) -> str:
    job = pairs(**more)
    texts = None if words is None else [words] * len(job)
    preview = preview_labels(job, labeller or Talks(), instructions=texts)
    return preview_page(preview, labeller="known", next_command=NEXT, provenance="made by hand.")


def rows_of(text: str) -> dict[str, str]:
    """The tables' rows without markup, by their first cell."""
    rows = re.findall(r"<tr[^>]*><th>(.*?)</th>(.*?)</tr>", text)
    return {name: " | ".join(re.findall(r"<td>(.*?)</td>", cells)) for name, cells in rows}


def test_the_advice_stands_first_and_the_next_command_last() -> None:
    text = page()
    order = [
        "Nothing here speaks",
        "Figures",
        "What the rest",
        "Pair 0",
        "Pair 39",
        NEXT,
        "by hand",
    ]
    assert sorted(order, key=text.index) == order
    assert '<section class="advice go">' in text
    assert text.count('<section class="pair">') == 20


def test_every_figure_has_its_interval_and_how_many_it_is_of() -> None:
    rows = rows_of(page())
    assert rows["answered"].startswith("<b>100 %</b> | [91, 100] | 40 | -")
    right = rows["right by the task&#39;s own reward"]
    assert right.startswith("<b>100 %</b> | [84, 100] | 20 | 50 %")
    assert rows["the same answer in both orders"].startswith("<b>100 %</b> | [84, 100] | 20")
    assert rows["prefers the segment that is shown first"].startswith("<b>50 %</b> | [35, 65] | 40")


def test_what_the_job_will_take_stands_beside_what_was_spent() -> None:
    rows = rows_of(page())
    assert rows["US dollars"] == "10.00 | 10.00"  # 40 answers of a quarter, and as many again
    assert rows["tokens"] == "4,000 | 4,000"
    assert rows["time"] == "1.3 min | 1.3 min"
    foreseen = page(Half())
    assert rows_of(foreseen)["tokens"] == "0 | 36,000"
    assert "as the labeller foresees them" in foreseen


def test_raw_questions_and_answers_of_both_orders_can_be_read() -> None:
    text = page()
    assert text.count("Which one is better at &#39;go&#39;?") == 40
    assert text.count("<pre>&lt;b&gt;The second&lt;/b&gt;, I am sure.</pre>") == 40
    assert text.count("Turned round:") == 20
    assert text.count("<details open>") == 4  # of the first pair: two questions in two orders
    assert "Turned round:" not in page(KnownLabeller())


def test_each_pair_says_what_was_answered_and_what_is_true() -> None:
    text = page()
    assert text.count("The second is better; turned round: the second is better.") == 20
    assert text.count('the second is better, <span class="right">right</span>') == 20
    assert text.count('<div class="side preferred">') == 20
    bad = page(Half())
    assert (
        bad.count("The first is better (75 % sure); turned round: the second is better (75") == 20
    )
    assert bad.count('<span class="wrong">(not alike)</span>') == 20
    assert '<section class="advice stop">' in bad


def test_what_is_not_answered_says_why_and_is_alike_to_nothing() -> None:
    text = page(words="go refused")
    assert "not alike" not in text
    assert text.count("Refused; turned round: refused.") == 20
    assert "40 refused of 40 answers" in text


def test_of_several_labellers_it_is_said_who_answered() -> None:
    text = page(KnownCascade(), words="go refused")
    assert text.count("The second is better (a person); turned round") == 20
    assert "(KnownLabeller)" not in page()


def test_without_rewards_there_is_no_truth() -> None:
    text = page(reward=False)
    assert "own reward:" not in text and "right by the task&#39;s own reward" not in rows_of(text)
    assert "Nothing is known of the truth here" in text


def test_the_segments_are_shown_as_the_labeller_sees_them_and_else_as_they_are() -> None:
    assert page(Half()).count("data:image/jpeg;base64,") == 40
    assert page().count("data:image/jpeg;base64,") == 40  # it reads no pictures, a person does
    assert "<img" not in page(pictures=False)


def test_the_page_needs_no_other_file_and_no_network() -> None:
    text = page()
    assert set(re.findall(r'src="([^;]*);', text)) == {"data:image/jpeg"}
    assert "http" not in text and "url(" not in text and "<script" not in text


def test_words_of_others_are_text_and_no_markup() -> None:
    assert "“&lt;i&gt;go&lt;/i&gt;”" in page(words="<i>go</i>")
    assert "No instruction is given." in page(Half(), words=None)


def test_the_file_says_how_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    preview = preview_labels(pairs(3), KnownLabeller(), instructions=["go"] * 3)
    write_preview_page(path, preview, labeller="known", next_command=NEXT, command="made so")
    text = path.read_text(encoding="utf-8")
    assert "<p>made so; " in text and "commit" in text
    assert "known_labellers:KnownLabeller" in text and "model known; prompt known/1" in text


@pytest.mark.parametrize(
    ("labeller", "line"),
    [
        (KnownLabeller(), "Nothing here speaks against it."),
        (Half(), "Do not ask about the rest like this."),
    ],
)
def test_the_same_is_said_in_a_few_lines(labeller: Any, line: str) -> None:
    lines = describe_preview(preview_labels(pairs(), labeller, instructions=["go"] * 40))
    assert lines[0] == line
    assert any("the same answer in both orders: " in text for text in lines)
    assert lines[-1].startswith("The whole job: 40 questions, ")
