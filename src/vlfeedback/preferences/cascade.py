"""Cascades: a cheap labeller first, and what it is unsure of goes to a more expensive one.

Paper:    "Preference VLM" (PrefVLM, arXiv 2502.01616), which asks a person about what the labels
          of a model leave uncertain; made general: any number of labellers, of any kind
Needs:    what its stages read
Returns:  the label of the stage that was sure, a probability where it gives one; who that was
Recipe:   1 ask the first stage about all pairs; 2 pass on those that it is not sure enough of, the
          least sure first, as far as the next stage's budget reaches; 3 do so with every stage;
          4 what nobody is sure of keeps its latest answer, or has none
Left out: the paper's measure of doubt, the loss of a reward model that is trained meanwhile; here
          it is the label's own probability, corrected by answers of the next stage on request

A share, a budget and a correction are of all pairs together. `label_pairs` therefore shows them to
the cascade first (`DecidesTogether`), which asks its stages as far as that takes, the last one only
for a correction, and remembers what they said. After a stop all this is done again, with the same
end where those stages answer as before: models of a fixed seed, and those that keep their answers,
which then cost nothing. People stand last: what they said is in the file. Without any of the three
each pair is decided alone, in whatever batch it comes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from jaxtyping import Bool, Int64

from vlfeedback.arguments import preference_source
from vlfeedback.data.recalibration import Recalibration, fit_isotonic, fit_temperature
from vlfeedback.data.sampling import SegmentPairList
from vlfeedback.errors import InvalidValueError, NeedsError
from vlfeedback.preferences.cascade_choice import (
    Decision,
    at_random,
    choose,
    corrected,
    unsure_of,
)
from vlfeedback.preferences.cascade_stages import CascadeConfig, Stage
from vlfeedback.scoring.foresight import foresee
from vlfeedback.scoring.joint_needs import joint_needs, only_needed, pair_digests
from vlfeedback.scoring.labelling import ask_labeller, records_of
from vlfeedback.types import (
    CostForecast,
    DecidesTogether,
    ExplainsLabels,
    LabelRecord,
    MeasuresPairs,
    Outcome,
    PreferenceLabels,
    PreferenceSource,
    SaysHowSure,
    SegmentPairs,
    SeveralLabellers,
)

__all__ = ["Cascade", "CascadeConfig", "Stage"]

Rows = Int64[np.ndarray, " n"]


class Cascade:
    """Asks one labeller after another; see the module's header.

    Args:
        config: its stages.
        device: where those that are made compute.
        labellers: one for each stage, in place of those that the ids name.

    Raises:
        NeedsError: there are no stages.
        InvalidValueError: another number of labellers than stages; two stages are the same
            labeller with the same settings; or one is a cascade itself.
        UnknownNameError, MissingExtraError, InvalidTypeError: see `make_preference_source`.
    """

    config_type = CascadeConfig

    def __init__(
        self,
        config: CascadeConfig | None = None,
        *,
        device: str = "cpu",
        labellers: Sequence[PreferenceSource] | None = None,
    ) -> None:
        self.config = config or CascadeConfig()
        self.stages = cast("tuple[Stage, ...]", self.config.stages)
        if labellers is None:
            made = [preference_source(s.labeller, device=device, **s.settings) for s in self.stages]
        else:
            made = list(labellers)
        if len(made) != len(self.stages):
            raise InvalidValueError(
                f"{len(made)} labellers for {len(self.stages)} stages; expected one each."
            )
        for number, (stage, labeller) in enumerate(zip(self.stages[:-1], made, strict=False)):
            if "soft" not in stage.settings and isinstance(labeller, SaysHowSure):
                made[number] = labeller.as_probabilities()
        for number, labeller in enumerate(made, start=1):
            if isinstance(labeller, DecidesTogether):
                raise InvalidValueError(
                    f"Stage {number} of the cascade is a {type(labeller).__name__}, which decides "
                    "about all pairs itself; list its stages in its place."
                )
        self.labellers = tuple(made)
        self.needs = joint_needs([labeller.needs for labeller in self.labellers])
        by_stage = [_who_answer(labeller) for labeller in self.labellers]
        self.records: tuple[LabelRecord, ...] = sum(by_stage, ())
        if len(set(self.records)) < len(self.records):
            raise InvalidValueError(
                f"Two of the {len(self.stages)} stages are one labeller with the same settings; "
                "a pair would be asked about twice to the same end. Leave one out."
            )
        self._begins = np.cumsum([0, *map(len, by_stage)])  # of a stage's records
        self._decisions: list[Decision] = []  # about the pairs of the first stages
        self._said: list[dict[bytes, PreferenceLabels]] = [{} for _ in self.stages]

    def measured_on(self, pairs: SegmentPairList) -> Cascade:
        """This cascade with its stages measured, and the number of pairs that share its budgets.

        That number is among the settings: a file of labels goes on with the same pairs only.
        """
        measured = [
            labeller.measured_on(pairs) if isinstance(labeller, MeasuresPairs) else labeller
            for labeller in self.labellers
        ]
        config = self.config
        if self._last_together >= 0:
            config = replace(config, pairs=len(pairs))
        return Cascade(config, labellers=measured)

    def decided_on(self, questions: Iterable[SegmentPairs]) -> Cascade:
        """This cascade, having decided which pairs go on where that is a matter of all pairs.

        Shown fewer pairs than `CascadeConfig.pairs`, it shares budgets out to them in proportion.

        Raises:
            NeedsError: a stage has a budget in dollars and its labeller cannot foresee its price.

        What a stage's labeller raises is raised.
        """
        if self._last_together < 0:
            return self
        decided = Cascade(self.config, labellers=self.labellers)
        times = decided._ask_once(0, questions, None)
        scale = times.total() / (self.config.pairs or times.total() or 1)
        reached = frozenset(times)
        for k in range(self._last_together + 1):
            if k:
                decided._ask_once(k, questions, reached)
            decision = decided._decide(k, questions, times, reached, scale)
            decided._decisions.append(decision)
            reached = decision.goes_on
        return decided

    def label(self, pairs: SegmentPairs) -> PreferenceLabels:
        """Ask stage after stage; costs of all that were asked about a pair add up.

        Raises:
            NeedsError: which pairs go on is a matter of all of them, and these are not among those
                that were shown to `decided_on`.
            SourceAnswerError: a stage's labels are none.

        What a stage's labeller raises is raised.
        """
        if self._last_together >= len(self._decisions):
            raise NeedsError(
                "This cascade has a share, a budget or a calibration, which are of all pairs "
                "together; use label_pairs, or ask cascade.decided_on(all pairs)."
            )
        digests = pair_digests(pairs) if self._decisions else []
        if any(digest not in self._said[0] for digest in digests):
            raise NeedsError(
                f"The cascade decided about {len(self._said[0])} pairs, and is asked about others; "
                "ask a cascade that was shown all of them: cascade.decided_on(all pairs)."
            )
        n = len(pairs)
        labels = PreferenceLabels(np.full(n, 0.5, np.float32), np.full(n, Outcome.SKIPPED, "u1"))
        is_open = np.zeros(n, np.bool_)
        for _, rows, said, left_open in self._answers(pairs, digests):
            labels = _with_stage(labels, rows, said)
            is_open[rows] = left_open
        if self.config.open_pairs == "keep":
            return labels
        unsure = is_open & labels.answered
        return replace(
            labels, outcome=np.where(unsure, Outcome.UNSURE, labels.outcome).astype(np.uint8)
        )

    def explain(self, pairs: SegmentPairs) -> list[list[tuple[str, str]]]:
        """What each stage was asked about each pair and said, in words: see `ExplainsLabels`."""
        digests = pair_digests(pairs) if self._decisions else []
        told: list[list[tuple[str, str]]] = [[] for _ in range(len(pairs))]
        for k, rows, said, _ in self._answers(pairs, digests):
            labeller, name = self.labellers[k], self.stages[k].labeller
            asked: Sequence[Sequence[tuple[str, str]]] = [()] * len(rows)
            if isinstance(labeller, ExplainsLabels):
                some = SegmentPairs(pairs.first.take(rows), pairs.second.take(rows))
                asked = labeller.explain(only_needed(some, labeller.needs))
            for n, row in enumerate(rows.tolist()):
                told[row] += [*asked[n], (f"Stage {k + 1}, {name}", _in_words(said.take([n])))]
        return told

    def foresee(self, pairs: SegmentPairs) -> CostForecast:
        """What asking about these pairs takes at most: see `ForeseesCost`."""
        total, share = CostForecast(cost_usd=0.0), 1.0
        for k, (stage, labeller) in enumerate(zip(self.stages, self.labellers, strict=True)):
            forecast = foresee(labeller, only_needed(pairs, labeller.needs))
            if stage.max_pairs is not None:
                share = min(share, stage.max_pairs / (self.config.pairs or len(pairs) or 1))
            if forecast is not None and forecast.cost_usd and stage.max_usd is not None:
                most = stage.max_usd * len(pairs) / (self.config.pairs or len(pairs) or 1)
                share = min(share, most / forecast.cost_usd)
            free = CostForecast(questions=float(len(pairs)), cost_usd=0.0)
            total += (forecast or free).times(share)
            share *= 1.0 if stage.pass_on is None or k == len(self.stages) - 1 else stage.pass_on
        return total

    @property
    def _last_together(self) -> int:
        """The last stage that decides about all its pairs together; -1 where none does."""
        together = [
            k
            for k, (stage, following) in enumerate(zip(self.stages, self.stages[1:], strict=False))
            if stage.pass_on is not None or stage.calibration != "none" or following.has_budget
        ]
        return together[-1] if together else -1

    def _ask_once(
        self, k: int, questions: Iterable[SegmentPairs], wanted: frozenset[bytes] | None
    ) -> Counter[bytes]:
        """Ask a stage about each of the wanted pairs, and remember; how often each pair comes."""
        said, times = self._said[k], Counter[bytes]()
        for batch in questions:
            digests = pair_digests(batch)
            times.update(digests)
            new = {
                digest: row
                for row, digest in enumerate(digests)
                if digest not in said and (wanted is None or digest in wanted)
            }
            if new:
                labels = self._ask(k, batch, np.array(list(new.values())))
                said.update((digest, labels.take([n])) for n, digest in enumerate(new))
        return times

    def _decide(
        self,
        k: int,
        questions: Iterable[SegmentPairs],
        times: Counter[bytes],
        reached: frozenset[bytes],
        scale: float,
    ) -> Decision:
        stage, said = self.stages[k], self._said[k]
        at_most = self._at_most(k + 1, questions, scale)
        sample: list[bytes] = []
        correction = None
        if stage.calibration != "none":
            candidates = at_random([d for d in reached if said[d].answered[0]], self.config.seed)
            sample = candidates[: math.ceil(stage.calibration_pairs * scale)][:at_most]
            self._ask_once(k + 1, questions, frozenset(sample))
            correction = _correction(stage, said, self._said[k + 1], sample)
        labels = {digest: corrected(said[digest], correction) for digest in reached}
        return choose(
            labels,
            times,
            stage,
            at_most=at_most,
            first=sample,
            correction=correction,
            seed=self.config.seed,
        )

    def _at_most(self, k: int, questions: Iterable[SegmentPairs], scale: float) -> int | None:
        """How many pairs a stage may be asked about, by its budgets; None: all."""
        stage, labeller = self.stages[k], self.labellers[k]
        limits = [] if stage.max_pairs is None else [float(stage.max_pairs)]
        shown = next(iter(questions), None) if stage.max_usd is not None else None
        if shown is not None and stage.max_usd is not None:
            forecast = foresee(labeller, only_needed(shown, labeller.needs))
            if forecast is None or forecast.cost_usd is None:
                raise NeedsError(
                    f"Stage {k + 1} of the cascade has a budget in dollars, and its labeller does "
                    "not know its price beforehand; give 'max_pairs' in place of 'max_usd'."
                )
            price = forecast.cost_usd / len(shown)
            limits += [stage.max_usd / price] if price else []
        return math.floor(min(limits) * scale + 1e-9) if limits else None

    def _ask(self, k: int, pairs: SegmentPairs, rows: Rows) -> PreferenceLabels:
        """Labels of a stage for some of the pairs; who gave them counts all records."""
        labeller = self.labellers[k]
        some = SegmentPairs(pairs.first.take(rows), pairs.second.take(rows))
        labels = ask_labeller(labeller, only_needed(some, labeller.needs))
        return replace(labels, labeller=labels.labeller + self._begins[k])

    def _labels_of(
        self, k: int, pairs: SegmentPairs, rows: Rows, digests: Sequence[bytes]
    ) -> PreferenceLabels:
        """The same, corrected; what was said while deciding is not asked again."""
        said, fresh = self._said[k], dict[int, PreferenceLabels]()
        unknown = [row for row in rows.tolist() if not digests or digests[row] not in said]
        if unknown:
            asked = self._ask(k, pairs, np.array(unknown))
            fresh = {row: asked.take([n]) for n, row in enumerate(unknown)}
        parts = [fresh[row] if row in fresh else said[digests[row]] for row in rows.tolist()]
        labels = PreferenceLabels.concatenate(parts)
        return corrected(
            labels, self._decisions[k].correction if k < len(self._decisions) else None
        )

    def _answers(
        self, pairs: SegmentPairs, digests: Sequence[bytes]
    ) -> Iterator[tuple[int, Rows, PreferenceLabels, Bool[np.ndarray, " n"]]]:
        """Of each stage the pairs that came to it, its labels, and which it leaves for good."""
        rows: Rows = np.arange(len(pairs))
        for k in range(len(self.stages)):
            if not len(rows):
                return
            said = self._labels_of(k, pairs, rows, digests)
            goes_on, left_open = self._goes_on(k, rows, said, digests)
            yield k, rows, said, left_open
            rows = rows[goes_on]

    def _goes_on(
        self, k: int, rows: Rows, labels: PreferenceLabels, digests: Sequence[bytes]
    ) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Which of the pairs at these rows go on, and which stay without a sure answer."""
        if k == len(self.stages) - 1:
            without = ~labels.answered & (labels.outcome != Outcome.SKIPPED)
            return np.zeros(len(rows), np.bool_), without
        if k >= len(self._decisions):
            unsure = unsure_of(labels, self.stages[k])
            return unsure, unsure
        decision = self._decisions[k]
        goes_on, left_open = (
            np.array([digests[row] in decided for row in rows], np.bool_)
            for decided in (decision.goes_on, decision.left_open)
        )
        return goes_on, left_open


def _in_words(label: PreferenceLabels) -> str:
    """The label of one pair, for people to read."""
    if not label.answered[0]:
        return Outcome(label.outcome[0]).word
    return f"the second is better with probability {label.prefer_second[0]:.2f}"


def _who_answer(labeller: PreferenceSource) -> tuple[LabelRecord, ...]:
    """Records of those who may have given an answer of this labeller."""
    records = records_of(labeller)
    return records[:-1] if isinstance(labeller, SeveralLabellers) else records


def _with_stage(labels: PreferenceLabels, rows: Rows, said: PreferenceLabels) -> PreferenceLabels:
    """The labels after a stage: its answers, and where it has none those of before."""
    before = labels.take(rows)
    final = said.answered | (said.outcome == Outcome.SKIPPED) | ~before.answered
    changed = {
        name: np.where(final, getattr(said, name), getattr(before, name))
        for name in ("prefer_second", "outcome", "labeller")
    }
    changed |= {
        name: getattr(before, name) + getattr(said, name)
        for name in ("cost_usd", "tokens", "seconds")
    }
    arrays = {name: getattr(labels, name).copy() for name in changed}
    for name, array in arrays.items():
        array[rows] = changed[name]
    return replace(labels, **arrays)


def _correction(
    stage: Stage,
    said: dict[bytes, PreferenceLabels],
    trusted: dict[bytes, PreferenceLabels],
    sample: Sequence[bytes],
) -> Recalibration | None:
    """What the next stage's answers say of this one's probabilities; None if they say nothing."""
    both = [(said[pair], trusted[pair]) for pair in sample if trusted[pair].answered[0]]
    probability, truth = (
        np.array([float(labels[place].prefer_second[0]) for labels in both]) for place in (0, 1)
    )
    if not len(truth) or (truth == 0.5).all():
        return None
    fit = fit_temperature if stage.calibration == "temperature" else fit_isotonic
    return fit(probability, truth)
