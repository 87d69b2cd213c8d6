"""One page to read before labels are paid for: what a labeller says of some of the pairs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from vlfeedback.data.provenance import describe_machine
from vlfeedback.data.whole_files import new_file
from vlfeedback.evaluation.labels.preview import LabelPreview
from vlfeedback.evaluation.statistics import Estimate
from vlfeedback.figures.inline_picture import film_uri
from vlfeedback.preferences.accuracy import agreement, sides
from vlfeedback.reports.pages import render_page
from vlfeedback.reports.provenance import describe_provenance
from vlfeedback.scoring.foresight import spread
from vlfeedback.types import LabelRecord, Outcome, PreferenceLabels, Segment

__all__ = ["describe_preview", "preview_page", "write_preview_page"]

_PICTURES = 8  # of a segment at most
_VERDICTS = {
    "stop": "Do not ask about the rest like this",
    "look": "Look at this before you go on",
    "go": "Nothing here speaks against it",
}
_SMALL = (
    "So few pairs show only what is plainly wrong. `vlfeedback eval labels` measures with more."
)
_NEXT = {
    "stop": "Once that is mended, the whole job is",
    "look": "If you are content with what you saw, the whole job is",
    "go": "The whole job is",
}


def write_preview_page(
    path: str | Path, preview: LabelPreview, *, labeller: str, next_command: str, command: str
) -> None:
    """Write the page.

    Args:
        path: the page; its folder is made.
        preview: of `vlfeedback.evaluation.labels.preview.preview_labels`.
        labeller: its name.
        next_command: labels all of the job.
        command: made this page.

    Raises:
        MissingExtraError: there are pictures, and Pillow is not installed.
    """
    provenance = describe_provenance({"command": command, **describe_machine()})
    page = preview_page(
        preview, labeller=labeller, next_command=next_command, provenance=provenance
    )
    with new_file(Path(path)) as partial:
        partial.write_text(page, encoding="utf-8")


def preview_page(
    preview: LabelPreview, *, labeller: str, next_command: str, provenance: str
) -> str:
    """A page of HTML that needs no other file; arguments as above."""
    tone, advice = _verdict(preview)
    words = sorted(set(preview.question.first.instructions or ()))
    n = len(preview.pairs)
    return render_page(
        "preview",
        title=f"{labeller} on {n} of {preview.n_job} pairs",
        subtitle=" / ".join(f"“{text}”" for text in words) or "No instruction is given.",
        verdict={"tone": tone, "word": _VERDICTS[tone]},
        advice=advice,
        asked=f"{n} pairs, spread over the job, each asked about in both orders.",
        figures=[row for row in _figures(preview) if row["n"]],
        job=_job(preview),
        job_note=_job_note(preview),
        pairs=[_pair(preview, k) for k in range(n)],
        who=[_who(record) for record in preview.labelled_by],
        next_words=_NEXT[tone],
        next_command=next_command,
        provenance=provenance,
    )


def describe_preview(preview: LabelPreview) -> list[str]:
    """The same in a few lines of text."""
    tone, advice = _verdict(preview)
    figures = "; ".join(
        f"{row['title']}: {row['share']} {row['interval']}" for row in _figures(preview) if row["n"]
    )
    return [f"{_VERDICTS[tone]}.", *advice, f"{figures}.", f"The whole job: {preview.job}."]


def _verdict(preview: LabelPreview) -> tuple[str, list[str]]:
    found = preview.advice()
    tone = found[0].urgency if found else "go"
    return tone, [advice.text for advice in found] or [_SMALL]


def _figures(preview: LabelPreview) -> list[dict[str, Any]]:
    return [
        _figure("answered", preview.answered, None, _outcomes(preview.both)),
        _figure(
            "right by the task's own reward",
            preview.right,
            0.5,
            "pairs of equal reward do not count; a tie or no answer is half right",
        ),
        _figure(
            "the same answer in both orders",
            preview.alike,
            0.5,
            "of pairs that are answered in both",
        ),
        _figure(
            "prefers the segment that is shown first",
            preview.first_shown,
            None,
            "half of the answers of one who does not mind the order",
        ),
    ]


def _figure(title: str, share: Estimate, chance: float | None, meaning: str) -> dict[str, Any]:
    state = "plain"
    if chance is not None:
        state = "above" if share.low > chance else "below" if share.high < chance else "around"
    known = not math.isnan(share.mean)
    return {
        "title": title,
        "share": f"{100 * share.mean:.0f} %" if known else "-",
        "interval": f"[{100 * share.low:.0f}, {100 * share.high:.0f}]" if known else "",
        "n": share.n,
        "chance": "-" if chance is None else f"{100 * chance:.0f} %",
        "meaning": meaning,
        "state": state,
    }


def _outcomes(labels: PreferenceLabels) -> str:
    ties = int(np.sum(labels.answered & (labels.prefer_second == 0.5)))
    counts = [f"{n} {outcome.word}" for outcome, n in labels.counts().items()]
    return ", ".join([*counts, f"{ties} ties"])


def _job(preview: LabelPreview) -> list[dict[str, str]]:
    now, job = preview.spent, preview.job
    n_now, seconds = len(preview.both), float(preview.both.seconds.sum())
    asked = job.questions * n_now / preview.n_job
    return [
        {"title": "pairs", "now": f"2 x {len(preview.pairs)}", "all": f"{preview.n_job:,}"},
        {"title": "questions", "now": f"{asked:,.0f}", "all": f"{job.questions:,.0f}"},
        {"title": "tokens", "now": f"{now.tokens:,.0f}", "all": f"{job.tokens:,.0f}"},
        {"title": "US dollars", "now": _usd(now.cost_usd), "all": _usd(job.cost_usd)},
        {"title": "time", "now": _time(seconds), "all": _time(preview.job_seconds)},
    ]


def _job_note(preview: LabelPreview) -> str:
    if preview.forecast is not None:
        return "Questions, tokens and dollars as the labeller foresees them; time at this pace."
    if preview.spent.tokens and not preview.spent.cost_usd:
        return (
            "At the rate of these answers, which cost nothing: they were kept from before, or no "
            "price is known. New ones may cost more."
        )
    return "At the rate of these answers."


def _usd(cost: float | None) -> str:
    return "not known" if cost is None else f"{cost:,.4f}" if 0 < cost < 0.1 else f"{cost:,.2f}"


def _time(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _pair(preview: LabelPreview, k: int) -> dict[str, Any]:
    side = sides(preview.labels)[k]
    truth = None if preview.truth is None else preview.truth.take([k])
    right = [] if truth is None else agreement(preview.labels.take([k]), truth).tolist()
    cost = preview.labels.take([k])
    texts = preview.question.first.instructions
    return {
        "title": f"Pair {preview.rows[k]}",
        "instruction": texts[k] if texts is not None and len(set(texts)) > 1 else "",
        "sides": [
            {
                "name": name,
                "preferred": side == sign,
                "caption": _caption(name, preview.pairs[k][place]),
                "film": _film(preview, k, place),
            }
            for place, (name, sign) in enumerate((("first", -1), ("second", 1)))
        ],
        "answer": _answer(preview.labels, k).capitalize() + _by(preview, k),
        "turned": _answer(preview.turned, k),
        "alike": side == sides(preview.turned)[k]
        or not (preview.labels.answered[k] and preview.turned.answered[k]),
        "is_first": k == 0,
        "truth": "" if truth is None else _answer(truth, 0),
        "mark": {1.0: "right", 0.0: "wrong"}.get(right[0], "") if right else "",
        "cost": f"{int(cost.tokens[0]):,} tokens, ${cost.cost_usd[0]:.4f}"
        if cost.tokens[0]
        else "",
        "said": None if preview.said is None else [said[k] for said in preview.said],
    }


def _answer(labels: PreferenceLabels, k: int) -> str:
    if not labels.answered[k]:
        return Outcome(int(labels.outcome[k])).word
    probability = float(labels.prefer_second[k])
    if probability == 0.5:
        return "a tie"
    name = "second" if probability > 0.5 else "first"
    sure = max(probability, 1 - probability)
    return f"the {name} is better" + (f" ({100 * sure:.0f} % sure)" if sure < 1 else "")


def _by(preview: LabelPreview, k: int) -> str:
    """Who of several labellers said it."""
    if len(preview.labelled_by) == 1:
        return ""
    source = preview.labelled_by[int(preview.labels.labeller[k])].source
    return f" ({source.rpartition(':')[2]})"


def _caption(name: str, segment: Segment) -> str:
    trajectory = segment.trajectory
    level = f", {trajectory.level}" if trajectory.level else ""
    end = segment.start + segment.length
    return f"{name}: {trajectory.id}{level}, steps {segment.start} to {end}"


def _film(preview: LabelPreview, k: int, place: int) -> str:
    """What the labeller was shown, or where it reads no pictures, what there is; "" for nothing."""
    batch = (preview.question.first, preview.question.second)[place]
    if batch.frames is not None:
        frames = batch.frames[k]
        return film_uri(frames[spread(len(frames), _PICTURES)])
    segment = preview.pairs[k][place]
    source = segment.trajectory.frames
    if source is None:
        return ""
    times = source.times[
        (source.times > segment.start) & (source.times <= segment.start + segment.length)
    ]
    return film_uri(source.read(times[spread(len(times), _PICTURES)])) if len(times) else ""


def _who(record: LabelRecord) -> dict[str, str]:
    model = f"model {record.model}" if record.model else ""
    prompt = f"prompt {record.prompt}" if record.prompt else ""
    return {
        "name": record.source,
        "text": "; ".join(filter(None, [model, prompt, record.config])),
    }
