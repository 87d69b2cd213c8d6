"""Ask a labeller about pairs, batch by batch; what was answered is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from vlfeedback.arguments import preference_source
from vlfeedback.data.contents import CONTENTS, digest_of_source, digests_of_trajectories
from vlfeedback.data.growing_preferences import (
    GrowingPreferences,
    check_same_labellers,
    check_same_trajectories,
    is_finished,
    read_grown_rows,
)
from vlfeedback.data.preferences import PreferenceDataset
from vlfeedback.data.sampling import SegmentPairList, gather_pairs
from vlfeedback.data.writable import check_writable
from vlfeedback.errors import FileFormatError, InvalidValueError, ShapeError, SourceAnswerError
from vlfeedback.types import (
    DecidesTogether,
    LabelRecord,
    MeasuresPairs,
    NamesItsModel,
    NamesItsPrompt,
    Outcome,
    PreferenceLabels,
    PreferenceSource,
    PricedPerPair,
    Report,
    SegmentPairs,
    SeveralLabellers,
    class_and_settings,
)

__all__ = ["ask_labeller", "label_pairs", "records_of"]


def label_pairs(
    pairs: SegmentPairList,
    labeller: PreferenceSource | str,
    *,
    instruction: str | Sequence[str] | None = None,
    batch_size: int = 32,
    save_to: str | Path | None = None,
    report: Report | None = None,
) -> PreferenceDataset:
    """Ask a labeller about pairs, a batch at a time.

    With `save_to` the answers of each batch are written as soon as they are there, and the pairs
    that the file holds, whatever their outcome, are not asked again: run the same call again to go
    on after it was stopped. The file and `pairs` must begin alike; either may go on longer. A
    batch is a small file in ``<save_to>.parts/`` until all pairs are done; `PreferenceDataset.load`
    reads an unfinished file as well.

    Args:
        pairs: what a sampler drew.
        labeller: any preference source, or the id of one. What else it may say of itself is used
            where it does: `MeasuresPairs`, `DecidesTogether`, `PricedPerPair`, `NamesItsModel`,
            `NamesItsPrompt`, `SeveralLabellers` in `vlfeedback.types`. Where its labels say nothing
            of the time they took, that is measured, and shared equally among the pairs of a batch.
        instruction: one for all pairs, one for each, or none.
        batch_size: pairs asked at a time.
        save_to: a Parquet file, see `PreferenceDataset.save`.
        report: called with ("labels", pairs done, pairs in all, nan) after each batch; of a
            labeller that `DecidesTogether`, before that with "deciding" for what it is shown.

    Raises:
        FileFormatError: `save_to` holds other pairs, or answers of another labeller: another
            class, other settings, or other files that these name; or trajectories were replaced
            under their ids.
        BusyError: another process adds to `save_to`; nobody was asked then.
        WriteError: `save_to` cannot be written; nobody was asked then.
        NeedsError: `save_to` is given and trajectories have no id, or two have the same.
        ValueError: `batch_size` is below 1.
        ShapeError: another number of instructions than pairs, or segments of unequal length.
        SourceAnswerError: the labeller answered with something that is no label of these pairs.
        TypeError: `labeller` is none.

    What the labeller raises is raised, with a note on where it was.
    """
    if batch_size < 1:
        raise InvalidValueError(f"batch_size={batch_size}; expected at least 1 pair.")
    if save_to is not None:
        check_writable(save_to)
    texts = _texts(instruction, len(pairs))
    labeller = preference_source(labeller)
    if isinstance(labeller, MeasuresPairs):
        labeller = labeller.measured_on(pairs)
    unasked = PreferenceDataset(pairs, _nothing(len(pairs)), texts, records_of(labeller))
    questions = _Questions(unasked, labeller, batch_size, report, told=instruction is not None)
    if save_to is None:
        nothing = unasked.take(slice(0))
        return _label(questions, nothing, None)
    path = Path(save_to)
    contents = digests_of_trajectories(pairs, pictures=labeller.needs.frames)
    # Refuses what does not belong together before it makes a folder.
    saved = _saved(path, unasked, contents)
    if len(saved) == len(unasked) and is_finished(path):
        return saved
    records = [asdict(record) for record in unasked.labelled_by]
    with GrowingPreferences.opened(path, records, contents) as file:
        saved = _saved(
            path, unasked, contents
        )  # again: another process may have added before it ended
        labelled = _label(questions, saved, file)
        file.fold()
    return labelled


def ask_labeller(labeller: PreferenceSource, pairs: SegmentPairs) -> PreferenceLabels:
    """Ask about N pairs at once, and check that the answer is one.

    Costs that the labels leave out are filled in: `PricedPerPair`, and the time that was measured.

    Raises:
        SourceAnswerError: it is not; the message names the labeller.

    What the labeller raises is raised.
    """
    begin = time.monotonic()
    labels = labeller.label(pairs)
    seconds = time.monotonic() - begin
    n, name = len(pairs), class_and_settings(labeller)[0]
    if not isinstance(labels, PreferenceLabels):
        raise SourceAnswerError(
            f"{name} answered {n} pairs with {type(labels).__name__}; expected PreferenceLabels."
        )
    if len(labels) != n:
        raise SourceAnswerError(f"{name} gave {len(labels)} labels for {n} pairs; expected {n}.")
    if labels.prefer_second.dtype != np.float32:
        raise SourceAnswerError(
            f"{name} answered in {labels.prefer_second.dtype}; expected float32 prefer_second."
        )
    n_labellers = len(labeller.records) if isinstance(labeller, SeveralLabellers) else 1
    if n and labels.labeller.max() >= n_labellers:
        raise SourceAnswerError(
            f"{name} has answers of labeller {labels.labeller.max()} and is {n_labellers}; "
            f"expected 0 to {n_labellers - 1}. One that is several has `records`: SeveralLabellers."
        )
    if isinstance(labeller, PricedPerPair) and not labels.cost_usd.any():
        labels = replace(labels, cost_usd=np.full(n, float(labeller.cost_per_pair)))
    if not labels.seconds.any():
        labels = replace(labels, seconds=np.full(n, seconds / max(n, 1)))
    return labels


def records_of(labeller: PreferenceSource) -> tuple[LabelRecord, ...]:
    """Those who answer, and last the labeller that is asked: often the one and only."""
    source, settings = class_and_settings(labeller)
    model = labeller.model if isinstance(labeller, NamesItsModel) else ""
    prompt = labeller.prompt if isinstance(labeller, NamesItsPrompt) else ""
    record = LabelRecord(
        source=source,
        config=json.dumps(settings, sort_keys=True),
        model=model if isinstance(model, str) else "",  # a network of ours may be called so too
        prompt=prompt if isinstance(prompt, str) else "",
        contents=digest_of_source(labeller),
    )
    several = labeller.records if isinstance(labeller, SeveralLabellers) else ()
    return (*several, record)


@dataclass(frozen=True, slots=True)
class _Questions:
    """All pairs with what a labeller reads of them, a batch at a time, each time anew."""

    pairs: PreferenceDataset  # nobody was asked about
    labeller: PreferenceSource
    batch_size: int
    report: Report | None
    told: bool  # the instructions

    def __iter__(self) -> Iterator[SegmentPairs]:
        for start in range(0, len(self.pairs), self.batch_size):
            batch = self.pairs.take(slice(start, start + self.batch_size))
            yield self.gather(batch)
            self.tell("deciding", start + len(batch))

    def gather(self, batch: PreferenceDataset) -> SegmentPairs:
        words = list(batch.instructions) if self.told else None
        return gather_pairs(batch.pairs, words, needs=self.labeller.needs)

    def tell(self, stage: str, done: int) -> None:
        if self.report is not None:
            self.report(stage, done, len(self.pairs), float("nan"))


def _label(
    questions: _Questions, saved: PreferenceDataset, file: GrowingPreferences | None
) -> PreferenceDataset:
    """The saved pairs, and those after them as they are answered."""
    unasked, labeller = questions.pairs, questions.labeller
    if len(saved) < len(unasked) and isinstance(labeller, DecidesTogether):
        labeller = labeller.decided_on(questions)
    parts = [saved]
    for start in range(len(saved), len(unasked), questions.batch_size):
        batch = unasked.take(slice(start, start + questions.batch_size))
        try:
            batch = replace(batch, labels=ask_labeller(labeller, questions.gather(batch)))
        except Exception as error:
            fate = f"kept in {file.path}" if file else "lost; give save_to to keep them"
            error.add_note(
                f"{unasked.labelled_by[-1].source} was asked about pairs {start} to "
                f"{start + len(batch) - 1} of {len(unasked)}; the answers to the {start} before "
                f"them are {fate}."
            )
            raise
        if file is not None:
            file.add(start, batch.to_rows()[0])
        parts.append(batch)
        questions.tell("labels", start + len(batch))
    return saved.append(*parts[1:])


def _nothing(n: int) -> PreferenceLabels:
    return PreferenceLabels(np.zeros(n, np.float32), np.full(n, Outcome.SKIPPED, np.uint8))


def _texts(instruction: str | Sequence[str] | None, n_pairs: int) -> tuple[str, ...]:
    if instruction is None or isinstance(instruction, str):
        return (instruction or "",) * n_pairs
    if len(instruction) != n_pairs:
        raise ShapeError(
            f"{len(instruction)} instructions for {n_pairs} pairs; expected one each, or one text."
        )
    return tuple(instruction)


def _saved(
    path: Path, unasked: PreferenceDataset, contents: Mapping[str, str]
) -> PreferenceDataset:
    """What the file already says of the first pairs; refuses a file about anything else."""
    now, header = unasked.to_rows()  # refuses ids that it could not write
    try:
        columns, file_header = read_grown_rows(path)
    except FileNotFoundError:
        return unasked.take(slice(0))
    n = min(len(columns["record"]), len(unasked))
    question = ("first_id", "first_start", "second_id", "second_start", "length", "instruction")
    if any(columns[name][:n] != now[name][:n] for name in question):
        raise FileFormatError(
            f"{path} holds answers about other pairs or instructions than the first {n} asked "
            "about now. Draw the same pairs (the same seed), or give another path."
        )
    if not n:
        return unasked.take(slice(0))
    check_same_labellers(file_header["labelled_by"], header["labelled_by"], where=path)
    check_same_trajectories(file_header.get(CONTENTS, {}), contents, where=path)
    columns = {name: values[:n] for name, values in columns.items()}
    return PreferenceDataset.from_rows(path, unasked.pairs[:n], columns, header)
