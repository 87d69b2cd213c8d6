"""One browser for all tests of a worker, and a queue that is new for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from tests.labelling_page.served import Server, chromium

from vlfeedback.preferences.human import HumanConfig, HumanLabeller


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    if not Path("/usr/bin/chromium").exists() or not Path("/usr/bin/chromedriver").exists():
        pytest.skip("needs Debian's packages chromium and chromium-driver: make setup")
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def browser(driver: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """The browser without what earlier tests left in it: cookies are of the machine."""
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    yield driver
    driver.get("about:blank")


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    return tmp_path / "queue"


@pytest.fixture
def labeller(queue: Path) -> HumanLabeller:
    return HumanLabeller(HumanConfig(queue=str(queue), undo_s=0.0))


@pytest.fixture
def server(queue: Path) -> Iterator[Server]:
    with Server(queue) as started:
        yield started
