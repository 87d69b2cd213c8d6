import json
import subprocess
import sys
from pathlib import Path

from vlfeedback.collecting import collect


def test_a_warning_of_the_library_is_a_sentence_on_the_command_line(tmp_path: Path) -> None:
    settings = {"episodes": 2, "horizon": 4}
    collect(tmp_path, ["cart-pole-balance"], settings=settings, levels=["random"], workers=0)
    note = tmp_path / "cart-pole-balance" / "unfinished.json"
    note.write_text(json.dumps({"levels": ["expert"]}))
    asked = ["--labeller", "teacher", "--pairs", "2", "--length", "2", "--out", "x.parquet"]
    command = [sys.executable, "-c", "from vlfeedback.cli import main; main()", "label"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path), *asked, "--dry-run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "incomplete" in line]
    assert line.startswith(f"Warning: {tmp_path} is incomplete: ")
    assert "cart-pole-balance/expert" in line and ".py" not in done.stderr
