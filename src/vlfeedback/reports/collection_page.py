"""One page of a collected dataset: where it is from, what its levels reach, all contact sheets."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template

import numpy as np

from vlfeedback.figures.episode_sheet import STOPPED_COLOUR, SUCCESS_COLOUR
from vlfeedback.types import Trajectory

__all__ = ["LevelSummary", "collection_page", "summarise_levels"]


@dataclass(frozen=True, slots=True)
class LevelSummary:
    """Figures of all trajectories of one task and level; None where the data does not say."""

    level: str
    n: int
    successful: float | None  # share that succeeds at any step, 0 to 1
    success_step: float | None  # mean first step of success, of those that succeed
    stop_step: float | None  # mean step from which nothing was done, of those stopped early
    mean_return: float | None  # of the environment's own reward
    last_reward: float | None  # mean reward of the last step


def summarise_levels(trajectories: Sequence[Trajectory]) -> list[LevelSummary]:
    """One row a level, in the order the levels first occur."""
    levels = dict.fromkeys(t.level for t in trajectories)
    return [_summarise(level, [t for t in trajectories if t.level == level]) for level in levels]


def collection_page(
    sheets: Mapping[str, str],
    summaries: Mapping[str, Sequence[LevelSummary]],
    settings: Mapping[str, object],
    *,
    title: str,
    instructions: Mapping[str, str],
) -> str:
    """The page: what the data was made with, a table of all tasks, and every sheet.

    Args:
        sheets: file name of each task's sheet, beside the page.
        summaries: of each of these tasks.
        settings: the collection's, shown as they are.
        title: what was looked through, such as the folder's name.
        instructions: of those tasks that have one.
    """
    provenance = "".join(
        f"<dt>{html.escape(str(key))}</dt><dd>{html.escape(json.dumps(value))}</dd>"
        for key, value in settings.items()
    )
    rows = "\n".join(
        _table_row(task, row, summaries[task]) for task in sheets for row in summaries[task]
    )
    parts = "\n".join(
        f'<h2 id="{html.escape(task)}">{html.escape(task)}'
        f"{_instruction(instructions.get(task))}</h2>\n"
        f'<a href="{html.escape(name)}"><img src="{html.escape(name)}" loading="lazy" '
        f'alt="Episodes of {html.escape(task)}"></a>'
        for task, name in sheets.items()
    )
    return _PAGE.substitute(
        title=html.escape(title),
        provenance=provenance,
        rows=rows,
        parts=parts,
        success=f"rgb{SUCCESS_COLOUR}",
        stopped=f"rgb{STOPPED_COLOUR}",
    )


def _summarise(level: str, trajectories: Sequence[Trajectory]) -> LevelSummary:
    rewards = [t.env_rewards for t in trajectories if t.env_rewards is not None]
    successes = [t.successes for t in trajectories if t.successes is not None]
    stops = [float(stop) for t in trajectories if (stop := t.rests_from) is not None]
    return LevelSummary(
        level,
        len(trajectories),
        _mean([float(s.any()) for s in successes]),
        _mean([float(np.argmax(s)) for s in successes if s.any()]),
        _mean(stops),
        _mean([float(r.sum()) for r in rewards]),
        _mean([float(r[-1]) for r in rewards]),
    )


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _share_done(row: LevelSummary, summaries: Sequence[LevelSummary]) -> str:
    """When a stopped level is stopped, in % of the time that the best of the others needs."""
    others = (s for s in summaries if s.stop_step is None and s.success_step)
    best = max(others, key=lambda s: s.successful or 0, default=None)
    if row.stop_step is None or best is None or not best.success_step:
        return ""
    return f"{100 * row.stop_step / best.success_step:.0f} %"


def _instruction(text: str | None) -> str:
    return "" if text is None else f" <small>“{html.escape(text)}”</small>"


def _table_row(task: str, row: LevelSummary, summaries: Sequence[LevelSummary]) -> str:
    name = html.escape(task)
    begins = row is summaries[0]
    head = f'<th rowspan="{len(summaries)}"><a href="#{name}">{name}</a></th>' if begins else ""
    highest = max(s.mean_return or 0.0 for s in summaries)
    bar = 100 * max(row.mean_return or 0.0, 0.0) / highest if highest > 0 else 0.0
    cells = (
        html.escape(row.level),
        str(row.n),
        "" if row.successful is None else f"{100 * row.successful:.0f} %",
        _number(row.success_step, 0),
        _number(row.stop_step, 0),
        _share_done(row, summaries),
        _number(row.last_reward, 2),
    )
    plain = "".join(f"<td>{cell}</td>" for cell in cells)
    length = f'class="bar" style="background-size: {bar:.0f}% 80%"'
    first = ' class="first"' if begins else ""
    return f"<tr{first}>{head}{plain}<td {length}>{_number(row.mean_return, 1)}</td></tr>"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
body { font: 15px/1.4 sans-serif; margin: 2em; color: #222; }
dl { display: grid; grid-template-columns: max-content auto; gap: 0 1em; }
dd { margin: 0; font-family: monospace; }
table { border-collapse: collapse; }
th, td { padding: 0 .8em; text-align: left; vertical-align: top; }
td + td { text-align: right; }
.bar { min-width: 10em; background: linear-gradient(#cde, #cde) no-repeat left center / 0 80%; }
.first { border-top: 1px solid #ccc; }
h2 { margin: 2em 0 .3em; }
small { font-weight: normal; color: #666; }
img { max-width: 100%; }
.key { display: inline-block; width: 1em; height: 1em; vertical-align: text-bottom; }
</style>
<h1>$title</h1>
<h3>Made with</h3>
<dl>$provenance</dl>
<h3>How to read the sheets</h3>
<p>A row is an episode. Below each picture stand the step it was taken after and that step's
reward; ✓ and <span class="key" style="background: $success"></span> mean that the task is done
at that step, <span class="key" style="background: $stopped"></span> that the actor was stopped
before and holds still. Scattered scenes follow each other at random, and have no reward.</p>
<h3>All episodes, means</h3>
<table>
<tr><th>task</th><th>level</th><th>episodes</th><th>succeed</th><th>at step</th>
<th>stopped at</th><th>of the time<br>to success</th><th>last<br>reward</th><th>return</th></tr>
$rows
</table>
$parts
</html>
""")
