import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_figure_in_the_pages_comes_from_a_committed_result_file() -> None:
    run = subprocess.run(
        [sys.executable, "docs/build/write_results.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_no_block_of_figures_in_the_pages_is_left_empty() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("src/vlfeedback/weights/*.md")]
    blocks = {
        (page.name, block.partition(" -->")[0]): block.partition(" -->")[2].partition("<!--")[0]
        for page in pages
        for block in page.read_text(encoding="utf-8").split("<!-- results:")[1:]
    }
    assert len(blocks) > 10
    assert [name for name, text in blocks.items() if not text.strip()] == []
