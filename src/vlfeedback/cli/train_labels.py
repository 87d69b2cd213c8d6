"""`vlfeedback train --labeller`: labels that a training makes for itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlfeedback.cli.pairs_of_data import draw_pairs, instructions_of
from vlfeedback.cli.progress import one_bar
from vlfeedback.cli.settings import check_no_argument, parse_settings

if TYPE_CHECKING:
    from vlfeedback.data.preferences import PreferenceDataset
    from vlfeedback.types import Trajectory

__all__ = ["label_first", "sampler_of"]


def sampler_of(preset: str) -> str:
    """How the paper of a preset draws pairs: ``"uniform"`` or ``"clustered"``."""
    from vlfeedback.protocols import PROTOCOLS

    protocol = PROTOCOLS.get(preset)
    return "uniform" if protocol is None else str(protocol.sweep["pairs"]["sampler"])


def label_first(
    trajectories: Sequence[Trajectory],
    labeller: str,
    settings: Sequence[str],
    *,
    instruction: str,
    n_pairs: int,
    length: int,
    sampler: str,
    seed: int,
    device: str,
    save_to: Path,
) -> PreferenceDataset:
    """Draw pairs, and ask a labeller about them; answers of a call that was stopped are kept.

    Args:
        trajectories: what pairs are drawn from.
        labeller: id of a preference source.
        settings: its own, each ``"key=value"``.
        instruction: one for all; "" what the data say, or their tasks.
        n_pairs: how many.
        length: steps of each segment.
        sampler: ``"uniform"`` or ``"clustered"``.
        seed: of the pairs.
        device: where it computes.
        save_to: file of the labels.

    Raises:
        whatever `vlfeedback.label_pairs` and the labeller raise.
    """
    from vlfeedback.preferences import make_preference_source
    from vlfeedback.scoring.labelling import label_pairs
    from vlfeedback.scoring.readable import check_pairs_readable

    config = check_no_argument(parse_settings(settings), make_preference_source, of="the labeller")
    source = make_preference_source(labeller, device=device, **config)
    pairs = draw_pairs(
        trajectories, source, n_pairs=n_pairs, length=length, sampler=sampler, seed=seed
    )
    texts = instructions_of(pairs, instruction, source)
    check_pairs_readable(pairs, source.needs, texts[0] if texts else None)
    with one_bar("labels") as report:
        return label_pairs(pairs, source, instruction=texts, save_to=save_to, report=report)
