"""The example of doc/howto/add-a-service.md, installed as a reader would install it, and run by a real worker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.services.conftest import environment
from tests.server.services.test_worker import Worker, rows, until

pytestmark = pytest.mark.one_python

PAGE = (Path(__file__).parents[3] / "doc" / "howto" / "add-a-service.md").read_text()


@pytest.fixture
def shop(home) -> Path:
    """A home whose further app is the shop of the page."""
    tasks, logic, waking = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (home / "shop").mkdir()
    (home / "shop" / "__init__.py").touch()
    (home / "shop" / "tasks.py").write_text(tasks)
    (home / "shop" / "logic.py").write_text(logic)
    (home / "wake.py").write_text(f"import django; django.setup()\n{waking}")
    (home / "beating_settings.py").write_text(
        'from server.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, "shop"]\n'
    )
    return home


def test_the_service_of_the_page_is_listed_as_it_says_and_runs(shop):
    listed = subprocess.run(
        [sys.executable, "-m", "server.manage", "services", "--list"],
        env=environment(shop),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    (line,) = re.findall(r"^shop\.restock .*$", PAGE, re.MULTILINE)
    assert line in listed.stdout.splitlines()
    worker = Worker(shop)
    question = "select figures from services_servicerun where service_id = 'shop.restock' and outcome = 'ok'"
    try:
        assert until(lambda: rows(shop, question), "the service of the page does not run") == [('{"ordered": 1}',)]
        subprocess.run([sys.executable, str(shop / "wake.py")], env=environment(shop), check=True, timeout=60)
    finally:
        assert worker.stop() == 0
