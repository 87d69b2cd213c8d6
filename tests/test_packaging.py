import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
HEAVY = ("torch", "d3rlpy", "stable_baselines3", "mujoco", "open_clip", "sklearn")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next(out.glob("*.whl"))) as opened:
        yield opened


@pytest.mark.parametrize(
    "file",
    [
        "vlfeedback/__init__.py",
        "vlfeedback/__init__.pyi",
        "vlfeedback/py.typed",
        "vlfeedback/testing/__init__.py",
        "vlfeedback_envs/__init__.py",
        "vlfeedback_envs/py.typed",
    ],
)
def test_the_wheel_holds_both_packages_their_types_and_the_contract_tests(
    wheel: zipfile.ZipFile, file: str
) -> None:
    assert file in wheel.namelist()


def test_the_wheel_holds_every_file_of_the_bundled_weights(wheel: zipfile.ZipFile) -> None:
    folder = ROOT / "src/vlfeedback/weights"
    bundled = {
        f"vlfeedback/weights/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.suffix in {".safetensors", ".json", ".md", ".txt"}
    }
    assert bundled
    assert bundled <= set(wheel.namelist())


@pytest.mark.parametrize(
    "pattern",
    [
        "reports/templates/*.html.j2",
        "reports/*.toml",
        "vlms/ledger/*.toml",
        "labelling_page/templates/*",
    ],
)
def test_the_wheel_holds_what_pages_are_made_of_and_prices(
    wheel: zipfile.ZipFile, pattern: str
) -> None:
    files = [path.relative_to(ROOT / "src") for path in (ROOT / "src/vlfeedback").glob(pattern)]
    assert files
    assert {path.as_posix() for path in files} <= set(wheel.namelist())


def test_the_wheel_holds_nothing_but_the_two_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    version = re.search(r'__version__ = "(.+)"', (ROOT / "src/vlfeedback/_version.py").read_text())
    assert version is not None
    assert tops == {"vlfeedback", "vlfeedback_envs", f"vlfeedback-{version[1]}.dist-info"}


def test_the_wheel_names_its_licence_and_its_command(wheel: zipfile.ZipFile) -> None:
    def text(suffix: str) -> str:
        return wheel.read(next(n for n in wheel.namelist() if n.endswith(suffix))).decode()

    assert "License-Expression: Apache-2.0" in text("dist-info/METADATA")
    assert "Apache License" in text("licenses/LICENSE")
    assert "vlfeedback = vlfeedback.cli:main" in text("dist-info/entry_points.txt")


def test_envs_holds_one_package_since_an_editable_install_puts_it_on_the_path() -> None:
    assert os.listdir(ROOT / "envs") == ["vlfeedback_envs"]


def test_every_folder_with_code_is_a_package() -> None:
    folders = {path.parent for root in ("src", "envs") for path in (ROOT / root).rglob("*.py")}
    assert [str(f) for f in folders if not (f / "__init__.py").exists()] == []


def test_importing_vlfeedback_imports_nothing_heavy() -> None:
    code = f"import sys, vlfeedback; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_requirement_of_an_extra_has_a_lower_bound(extra: str) -> None:
    unbounded = [r for r in EXTRAS[extra] if ">=" not in r and not r.startswith("vlfeedback[")]
    assert unbounded == []


def test_all_names_every_extra_that_users_need() -> None:
    (everything,) = EXTRAS["all"]
    named = everything.removeprefix("vlfeedback[").removesuffix("]").split(",")
    assert sorted(named) == sorted(set(EXTRAS) - {"all", "dev"})


@pytest.mark.parametrize("target", ["setup", "demo", "test", "check", "bench", "help"])
def test_make_lists_its_targets(target: str) -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.search(rf"^make {target} +\w", done.stdout, re.MULTILINE)


class Machine:
    """A checkout on a pretended Debian machine: each command is a few lines of shell."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.commands = folder / "bin"
        self.log = folder / "log"
        (self.checkout / ".ci").mkdir(parents=True)
        self.commands.mkdir()
        shutil.copy(ROOT / ".ci/setup", self.checkout / ".ci/setup")
        (self.checkout / "pyproject.toml").write_text("[project]\n")
        for tool in ("bash", "dirname", "sha256sum", "rm", "mkdir"):
            (self.commands / tool).symlink_to(str(shutil.which(tool)))
        self.add("id", "echo 0")
        self.add("dpkg-query", 'echo "install ok installed"')
        self.add("apt-get")
        # With -c, an interpreter that has every module asked for; with -m, one that does its work.
        self.add("python3.11", '[ "$1" = -c ] && case "$2" in *print*) echo 3.11;; esac; exit 0')

    def add(self, name: str, script: str = "", folder: Path | None = None) -> None:
        path = (folder or self.commands) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.log}"\n{script}\n')
        path.chmod(0o755)

    def add_venv(self, script: str = "") -> None:
        self.add("python", script, self.checkout / ".venv/bin")

    def setup(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.checkout / ".ci/setup", "demo"],
            env={"PATH": str(self.commands)},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, pattern: str) -> list[str]:
        return re.findall(rf"^.*{pattern}.*$", self.log.read_text(), re.MULTILINE)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


LACKS_OSMESA = '[ "${@: -1}" = libosmesa6 ] && exit 1; echo "install ok installed"'


def test_setup_installs_only_the_system_packages_that_are_missing(machine: Machine) -> None:
    machine.add_venv()
    machine.add("dpkg-query", LACKS_OSMESA)
    assert machine.setup().returncode == 0
    (update, install) = machine.calls("^apt-get")
    assert update.startswith("apt-get update")
    assert [word for word in install.split() if word.startswith("lib")] == ["libosmesa6"]


def test_setup_touches_apt_only_when_something_is_missing(machine: Machine) -> None:
    machine.add_venv()
    assert machine.setup().returncode == 0
    assert machine.calls("^apt-get") == []


def _no_network(machine: Machine) -> None:
    machine.add("apt-get", "exit 100")


def _no_such_package(machine: Machine) -> None:
    machine.add("apt-get", '[ "$1" = update ] || { echo "E: not found" >&2; exit 100; }')


def _no_root(machine: Machine) -> None:
    machine.add("id", "echo 1000")


@pytest.mark.parametrize(
    ("cause", "step"),
    [
        (_no_network, "apt-get update"),
        (_no_such_package, "apt-get install libosmesa6"),
        (_no_root, "system packages are missing: libosmesa6"),
    ],
)
def test_setup_names_the_missing_package_and_the_way_out_and_stops(
    machine: Machine, cause: Callable[[Machine], None], step: str
) -> None:
    machine.add_venv()
    machine.add("dpkg-query", LACKS_OSMESA)
    cause(machine)
    done = machine.setup()
    assert done.returncode == 1
    assert f"FAILED: {step}" in done.stderr
    assert "libosmesa6" in done.stderr
    assert "run make again" in done.stderr
    assert machine.calls("-m pip install") == []


def test_setup_names_the_pip_step_that_failed_and_tries_it_again(machine: Machine) -> None:
    machine.add_venv('[ "$2" = pip ] && { echo "ERROR: no route" >&2; exit 1; }; exit 0')
    for attempt in (1, 2):
        done = machine.setup()
        assert done.returncode == 1
        assert "ERROR: no route" in done.stderr
        assert "FAILED: pip install --editable .[metaworld,vision]" in done.stderr
        assert "run make again" in done.stderr
        assert len(machine.calls("-m pip install")) == attempt


def test_setup_installs_once_and_again_only_after_pyproject_changed(machine: Machine) -> None:
    machine.add_venv()
    for _ in range(2):
        assert machine.setup().returncode == 0
    assert len(machine.calls("-m pip install")) == 1
    (machine.checkout / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert machine.setup().returncode == 0
    assert len(machine.calls("-m pip install")) == 2


def test_setup_without_a_recent_python_says_which_one_it_needs(machine: Machine) -> None:
    machine.add("python3.11", "exit 1")
    done = machine.setup()
    assert done.returncode == 1
    assert "FAILED: no Python 3.11 or newer" in done.stderr


def test_setup_asks_for_the_venv_package_of_the_python_it_found(machine: Machine) -> None:
    machine.add("id", "echo 1000")
    machine.add("dpkg-query", '[[ "$*" == *-venv* ]] && exit 1; echo "install ok installed"')
    machine.add(
        "python3.11",
        'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.11;; esac',
    )
    done = machine.setup()
    assert done.returncode == 1
    assert "FAILED: system packages are missing: python3.11-venv" in done.stderr


def test_setup_leaves_no_half_made_venv_behind(machine: Machine) -> None:
    machine.add(
        "python3.11",
        '[ "$1" = -m ] && { mkdir .venv; exit 1; }; case "$2" in *print*) echo 3.11;; esac; exit 0',
    )
    done = machine.setup()
    assert done.returncode == 1
    assert "FAILED: python3.11 -m venv .venv" in done.stderr
    assert not (machine.checkout / ".venv").exists()


def test_setup_refuses_a_venv_that_does_not_run(machine: Machine) -> None:
    machine.add_venv("exit 1")
    done = machine.setup()
    assert done.returncode == 1
    assert "Remove the folder .venv" in done.stderr
