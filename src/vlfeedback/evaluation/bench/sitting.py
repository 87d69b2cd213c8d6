"""Who sits an exam is asked about clip after clip, then pair after pair; answers are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from vlfeedback.errors import NeedsError, VLFeedbackError, reason_of
from vlfeedback.evaluation.bench.answer_log import AnswerLog
from vlfeedback.evaluation.bench.answers import ClipAnswer, ask_about_clip, ask_about_pair
from vlfeedback.evaluation.bench.exam import Exam, ExamClip, ExamPair
from vlfeedback.evaluation.bench.figures import SourceAnswers
from vlfeedback.evaluation.labels.sources import AnySource
from vlfeedback.types import PreferenceSource, Report, RewardSource, SourceNeeds, Trajectory

__all__ = ["Candidate", "Sitting"]


@dataclass(slots=True)
class Candidate:
    """A source that sits the exam.

    Attributes:
        source: of either kind.
        log: what it has said so far.
        why_not: a sentence, why it is not asked; "" while it is.
        answers: what it said, when all clips and pairs are done.
    """

    source: AnySource
    log: AnswerLog
    why_not: str
    answers: SourceAnswers = field(default_factory=SourceAnswers)

    def told(self, key: str, ask: Callable[[], Any]) -> Any:
        """An answer that is known already, or else asked for; None where that ends in an error."""
        if key in self.log:
            return self.log[key]
        try:
            answer = ask()
        except VLFeedbackError as error:
            self.why_not = f"It was asked no more: {reason_of(error)}"
            return None
        self.log.add(key, answer)
        return answer


class Sitting:
    """All candidates on the same clips, each of which is read once.

    Args:
        exam: what is asked.
        candidates: by name; those with a `Candidate.why_not` are not asked.
        along: score every clip from beginning to end, not only those that get on.

    Attributes:
        unreadable: clips that could not be read, by id, and why.
    """

    def __init__(self, exam: Exam, candidates: Mapping[str, Candidate], *, along: bool) -> None:
        self._exam = exam
        self._candidates = candidates
        self._along = along
        self._digests: dict[int, str] = {}
        self.unreadable: dict[str, str] = {}  # reason by clip

    def ask_about_clips(self, report: Report | None) -> None:
        """The scores of every clip, of sources that give scores.

        Raises:
            NeedsError: no clip can be read.
        """
        total = len(self._exam.clips)
        answers: dict[str, dict[int, ClipAnswer]] = {name: {} for name in self._candidates}
        for place, clip in enumerate(self._exam.clips):
            try:
                self._digests[place] = _digest(clip)
                for name, answer in self._ask_about(place):
                    answers[name][place] = answer
            except _UnreadableError as error:
                self.unreadable[clip.id] = str(error)
                self._digests.pop(place, None)
                for rows in answers.values():
                    rows.pop(place, None)
            if report is not None:
                report("clips", place + 1, total, float("nan"))
        if len(self.unreadable) == total:
            first = next(iter(self.unreadable.values()))
            raise NeedsError(f"None of {total} clips can be read. The first: {first}")
        for name, rows in answers.items():
            self._candidates[name].answers = SourceAnswers(clips=rows)

    def ask_about_pairs(self, report: Report | None) -> None:
        """What labellers prefer of every pair of clips that could be read."""
        for candidate in self._candidates.values():
            source, leads = candidate.source, {}
            if isinstance(source, RewardSource) or candidate.why_not:
                continue
            for place, pair in enumerate(self._exam.pairs):
                if pair.better in self._digests and pair.worse in self._digests:
                    lead = self._compare(pair, candidate, source)
                    if lead is not None:
                        leads[place] = lead
                if report is not None:
                    report("pairs", place + 1, len(self._exam.pairs), float("nan"))
            candidate.answers = SourceAnswers(pairs=leads)

    def _ask_about(self, place: int) -> Iterator[tuple[str, ClipAnswer]]:
        """What each source that gives scores says of the clip at this place."""
        clip = self._exam.clips[place]
        reader = _Once(clip)
        along = self._along or clip.rises
        key = f"{self._digests[place]} {'along' if along else 'end'}: {clip.instruction}"
        for name, candidate in self._candidates.items():
            source = candidate.source
            if not isinstance(source, RewardSource) or candidate.why_not:
                continue

            def ask(source: RewardSource = source) -> dict[str, Any]:
                episode = reader.episode(source.needs)
                words = clip.instruction
                return asdict(ask_about_clip(source, episode, words, along=along, rises=clip.rises))

            if (told := candidate.told(key, ask)) is not None:
                yield name, ClipAnswer(**told)

    def _compare(
        self, pair: ExamPair, candidate: Candidate, source: PreferenceSource
    ) -> float | None:
        """1 where the better clip is preferred; None without an answer."""
        order = (pair.better, pair.worse) if pair.better_first else (pair.worse, pair.better)
        first, second = (self._exam.clips[place] for place in order)

        def ask() -> float:
            shown = [_Once(clip).episode(source.needs) for clip in (first, second)]
            return ask_about_pair(source, shown[0], shown[1], first.instruction)

        key = f"{' > '.join(self._digests[place] for place in order)}: {first.instruction}"
        try:
            side = candidate.told(key, ask)
        except _UnreadableError:  # it could be read a moment ago
            return None
        return None if side is None else float(-side if pair.better_first else side)


class _UnreadableError(Exception):
    """A clip, not a source, is at fault."""


class _Once:
    """A clip that is read when the first source needs it, and not again."""

    def __init__(self, clip: ExamClip) -> None:
        self._clip = clip
        self._episode: Callable[[SourceNeeds], Trajectory] | None = None

    def episode(self, needs: SourceNeeds) -> Trajectory:
        """As a source with these needs reads it."""
        if self._episode is None:
            try:
                self._episode = self._clip.reader.load()
            except (VLFeedbackError, OSError) as error:
                raise _UnreadableError(reason_of(error)) from error
        return self._episode(needs)


def _digest(clip: ExamClip) -> str:
    try:
        return clip.reader.digest()
    except (VLFeedbackError, OSError) as error:
        raise _UnreadableError(reason_of(error)) from error
