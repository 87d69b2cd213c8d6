"""One page that says whether rewards are any good here: verdicts, figures, films, sensitivities."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from string import Template
from typing import Any

__all__ = ["diagnosis_page"]

_TRACK = 120  # px: length of the line that an interval is drawn on


def diagnosis_page(
    results: Mapping[str, Any],
    *,
    films: Mapping[str, str],
    scatters: Mapping[str, str],
    views: str | None = None,
) -> str:
    """A page of HTML that needs no other file.

    Args:
        results: as `vlfeedback eval source --json` writes them.
        films: by source, the plot of `vlfeedback.figures.level_curves.draw_levels` as a data URI.
        scatters: by source, that of `draw_cameras`; none for a source without.
        views: the same scene seen by both cameras, of `draw_views`, as a data URI.
    """
    sources: Mapping[str, Mapping[str, Any]] = results["sources"]
    return _PAGE.substitute(
        task=html.escape(results["task"]),
        instruction=html.escape(results["instruction"]),
        episodes=html.escape(_episodes(results["episodes"])),
        cards="\n".join(_card(name, source) for name, source in sources.items()),
        head="".join(f"<th>{html.escape(name)}</th>" for name in sources),
        rows="\n".join(_rows(results)),
        films="\n".join(
            f'<h3>{html.escape(name)}</h3>\n<img class="film" src="{films[name]}" '
            f'alt="Scores of {html.escape(name)} along an episode of each level">'
            for name in sources
            if name in films
        ),
        views=f'<img src="{views}" alt="The scene seen by both cameras">' if views else "",
        sensitivities="\n".join(
            _sensitivity(name, source, scatters.get(name)) for name, source in sources.items()
        ),
        **{name: f"{100 * value:g} %" for name, value in results["thresholds"].items()},
        settings="\n".join(_settings(name, source) for name, source in sources.items()),
        provenance=html.escape(_provenance(results)),
    )


def _episodes(levels: Mapping[str, Mapping[str, int]]) -> str:
    parts = [f"{row['n']} {level} ({row['succeed']} succeed)" for level, row in levels.items()]
    return ", ".join(parts)


def _card(name: str, source: Mapping[str, Any]) -> str:
    word, _, rest = source["sentence"].partition(":")
    reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in source["reasons"])
    return (
        f'<section class="card {html.escape(source["verdict"])}"><h2>{html.escape(name)}</h2>'
        f'<p class="word">{html.escape(word)}<small>{html.escape(rest)}</small></p>'
        f"<ul>{reasons}</ul></section>"
    )


def _rows(results: Mapping[str, Any]) -> Iterator[str]:
    sources = results["sources"].values()
    for key, kind in results["legend"].items():
        cells = "".join(_cell(source["findings"][key], kind) for source in sources)
        prior = next(iter(sources))["priors"].get(key.removesuffix("_pairs"))
        beside = f" Prior: {100 * prior:.0f} %." if prior is not None else ""
        yield (
            f"<tr><th>{html.escape(kind['title'])}<small>{html.escape(kind['meaning'] + beside)}"
            f"</small></th>{cells}</tr>"
        )


def _cell(finding: Mapping[str, Any], kind: Mapping[str, Any]) -> str:
    if "not_applicable" in finding:
        return f'<td class="none">not applicable<small>{html.escape(finding["not_applicable"])}'
    value, interval = finding["value"], finding["interval"]
    if kind["unit"] == "a second":
        return f"<td><b>{_round(value)}</b> a second"
    scale = 100 if kind["unit"] == "%" else 1
    digits, sign = (0, " %") if scale == 100 else (2, "")
    low, high = interval or (value, value)
    state = _state(low, high, kind["chance"])
    text = f"<b>{scale * value:.{digits}f}{sign}</b>"
    if interval:
        text += f" [{scale * low:.{digits}f}, {scale * high:.{digits}f}]"
    begin = 0.0 if scale == 100 else -1.0
    return f'<td class="{state}">{text}{_track(value, low, high, kind["chance"], begin)}'


def _state(low: float, high: float, chance: float | None) -> str:
    """Whether an interval is above, around or below what guessing gives."""
    if chance is None:
        return "plain"
    return "above" if low > chance else "below" if high < chance else "around"


def _track(value: float, low: float, high: float, chance: float | None, begin: float) -> str:
    """A small drawing of an interval on a line from `begin` to 1, chance marked."""

    def place(x: float) -> float:
        return round(4 + (_TRACK - 8) * (x - begin) / (1 - begin), 1)

    guess = ""
    if chance is not None:
        x = place(chance)
        guess = f'<line class="chance" x1="{x}" x2="{x}" y1="1" y2="13"/>'
    return (
        f'<svg width="{_TRACK}" height="14" aria-hidden="true">'
        f'<line class="axis" x1="4" x2="{_TRACK - 4}" y1="7" y2="7"/>{guess}'
        f'<line class="interval" x1="{place(low)}" x2="{place(high)}" y1="7" y2="7"/>'
        f'<circle cx="{place(value)}" cy="7" r="3.5"/></svg>'
    )


def _sensitivity(name: str, source: Mapping[str, Any], scatter: str | None) -> str:
    rows = "".join(
        f"<tr><td>“{html.escape(text)}”</td><td>{row['value']:.2f}</td></tr>"
        for text, row in source["wordings"].items()
    )
    parts = [
        f"<table><tr><th>instead of the instruction</th><th>rank correlation</th></tr>{rows}"
        "</table>"
        if rows
        else _why_not(source, "wording_correlation"),
        f'<img src="{scatter}" alt="Ranks of clips of {html.escape(name)} under two cameras">'
        if scatter
        else _why_not(source, "camera_correlation"),
    ]
    return f'<h3>{html.escape(name)}</h3><div class="two">{"".join(parts)}</div>'


def _why_not(source: Mapping[str, Any], key: str) -> str:
    return f"<p>{html.escape(source['findings'][key].get('not_applicable', ''))}</p>"


def _settings(name: str, source: Mapping[str, Any]) -> str:
    goal = f" {html.escape(source['goal'])}" if source.get("goal") else ""
    given = html.escape(json.dumps(source["settings"]))
    return f"<dt>{html.escape(name)}</dt><dd>{html.escape(source['id'])} {given}{goal}</dd>"


def _provenance(results: Mapping[str, Any]) -> str:
    hardware = results["hardware"]
    parts = [f"{results['command']}; seed {results['seed']}; {results['seconds']:.0f} s"]
    parts.append(f"{hardware['processor']}, {hardware['cores']} cores")
    parts.append(", ".join(f"{name} {number}" for name, number in results["versions"].items()))
    if results["commit"]:
        parts.append(f"commit {results['commit']}")
    return "; ".join(parts) + "."


def _round(value: float) -> str:
    """Three digits, thousands set apart."""
    if value < 100:
        return f"{value:.3g}"
    return f"{float(f'{value:.3g}'):,.0f}"


_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Is this reward any good at $task?</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1320px;
  padding: 0 1.5em; color: #222; }
h1 { margin-bottom: .1em; }
h2 { margin: 2em 0 .4em; }
h3 { margin: 1.2em 0 .2em; }
small { color: #666; font-weight: normal; font-size: .85em; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 1em; }
.card { border: 1px solid #ddd; border-top: 6px solid var(--tone); border-radius: 6px;
  padding: .8em 1.1em; }
.card h2 { margin: 0; font-size: 1.05em; overflow-wrap: anywhere; }
.card ul { padding-left: 1.1em; margin: .5em 0 0; }
.word { font-size: 1.7em; font-weight: bold; margin: 0; color: var(--tone); }
.word small { display: block; font-size: .5em; }
.good { --tone: #00795a; }
.weak { --tone: #a86d00; }
.useless { --tone: #b34400; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
.figures { width: 100%; }
th, td { padding: .45em .9em .45em 0; text-align: left; vertical-align: top; }
tr + tr { border-top: 1px solid #e5e5e5; }
.figures th:first-child { max-width: 25em; }
.figures th { font-weight: 600; }
.figures th small, td small { display: block; }
.figures td { min-width: 130px; white-space: nowrap; }
td small { white-space: normal; max-width: 13em; }
.none { color: #777; }
.above { --tone: #00795a; }
.around { --tone: #777; }
.below { --tone: #b34400; }
.plain { --tone: #0072b2; }
td b { color: var(--tone); }
td svg { display: block; }
.axis { stroke: #ddd; stroke-width: 2; }
.chance { stroke: #222; stroke-dasharray: 2 2; }
.interval { stroke: var(--tone); stroke-width: 4; opacity: .45; }
circle { fill: var(--tone); }
.film { width: 100%; }
.two { display: flex; gap: 0 3em; flex-wrap: wrap; align-items: flex-start; }
.two img { width: 300px; }
.views img { width: 420px; }
dl { display: grid; grid-template-columns: max-content auto; gap: 0 1em; }
dd { margin: 0; font-family: monospace; overflow-wrap: anywhere; }
.key b { color: var(--tone); }
</style>
<h1>Is this reward any good at $task?</h1>
<p>“$instruction” &ensp; <small>$episodes</small></p>
<div class="cards">
$cards
</div>
<h2>All figures</h2>
<p class="key">Each with its 95 % interval over episodes. The dashed line is guessing; an interval
is <span class="above"><b>above it</b></span>, <span class="around"><b>around it</b></span>, or
<span class="below"><b>below it</b></span>.</p>
<div class="wide"><table class="figures">
<tr><th></th>$head</tr>
$rows
</table></div>
<h2>What is paid, moment by moment</h2>
<p>One episode of each level to one scale, in each source's own unit. A useful reward rises as the
expert gets on, and pays medium and random less. Dashed: the expert's pictures up to its success
played backwards, which a source that understands the task should pay less and less.</p>
$films
<h2>In other words, and from another corner</h2>
<div class="views">$views</div>
$sensitivities
<h2>How the verdict is made</h2>
<p>It rests on two questions: which of two random clips is better, and did this episode succeed.
<b>Useless</b>: neither interval lies above $chance, or for random pairs above the prior where that
is higher. <b>Good</b>: the first lies above $good_random_pairs, the second above $good_success_auc,
and nothing else holds the source back: that it pays random actions as much as experts, cannot tell
the right instruction from a wrong one or forwards from backwards, or falls as experts progress.
<b>Weak</b>: in between. Beware of rank correlations across wordings or cameras below
$steady_correlation: they hold no verdict back, since a policy is trained under one.</p>
<h2>Made with</h2>
<dl>$settings</dl>
<p><small>$provenance</small></p>
</html>
""")
