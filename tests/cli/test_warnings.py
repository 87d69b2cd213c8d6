import json
from pathlib import Path

from tests.warm_python import command_line

from vlfeedback.collecting import collect


def test_a_warning_of_the_library_is_a_sentence_on_the_command_line(tmp_path: Path) -> None:
    settings = {"episodes": 2, "horizon": 4}
    collect(tmp_path, ["cart-pole-balance"], settings=settings, levels=["random"], workers=0)
    note = tmp_path / "cart-pole-balance" / "unfinished.json"
    note.write_text(json.dumps({"levels": ["expert"]}))
    asked = ["--labeller", "teacher", "--pairs", "2", "--length", "2", "--out", "x.parquet"]
    done = command_line("label", "--data", tmp_path, *asked, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "incomplete" in line]
    assert line.startswith(f"Warning: {tmp_path} is incomplete: ")
    assert "cart-pole-balance/expert" in line and ".py" not in done.stderr
