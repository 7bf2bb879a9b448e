"""Fixtures, the warm Python, who runs what, and the small study that is run once; helpers lie in support/."""

import contextlib
import functools
import os
import shutil
import sys

import pytest
import torch

from support import warm_python
from support.networks import small_vgg
from support.studies import ROOT, Workflow


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def network():
    return small_vgg()


@pytest.fixture
def pictures():
    return torch.randn(8, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


# ---- who runs what -------------------------------------------------------------------------------------------


def pytest_configure(config):
    """Start the Python that the studies run on, one for all workers."""
    if sys.platform == "linux" and "WARM_PYTHON" not in os.environ:
        stack = contextlib.ExitStack()
        os.environ["WARM_PYTHON"] = stack.enter_context(warm_python.running())
        stack.callback(os.environ.pop, "WARM_PYTHON")
        config.add_cleanup(stack.close)


def pytest_collection_modifyitems(items):
    """Several workers begin with the studies, which take longest."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: item.get_closest_marker("study") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A worker takes all tests of the small study, or else all of a file, so that what they share is made once.

    pytest-xdist 3.8 has marks for this, which do nothing under pytest 9.2 (its issue 1386).
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return shared_by(nodeid.partition("::")[0])

    config.option.loadscopereorder = False
    return Scheduling(config, log)


@functools.cache
def shared_by(path):
    """What the tests of a file share: the small study if it mentions it."""
    return "tiny_study" if "tiny_study" in (ROOT / path).read_text(encoding="utf-8") else path


# ---- a small study, run once through Snakemake ---------------------------------------------------------------


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory):
    """A small study over all rules, finished, with its report."""
    workflow = Workflow(tmp_path_factory.mktemp("study"))
    workflow.output = workflow.run("--cores", "2", "all", "report")
    return workflow


# ---- a browser -----------------------------------------------------------------------------------------------

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium: the system's, or the one that Playwright has downloaded."""
    from playwright import sync_api

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        except sync_api.Error as error:
            pytest.skip(f"no Chromium here: {error}")
        yield browser
        browser.close()


@pytest.fixture
def watched(chromium):
    """A function from an address and a window's width to a page without network; requests and faults fail the test."""
    contexts, wanted, said = [], [], []

    def opened(address, width):
        contexts.append(chromium.new_context(viewport={"width": width, "height": 900}, offline=True))
        page = contexts[-1].new_page()
        page.on("request", lambda request: wanted.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [url for url in wanted if not url.startswith(("file:", "blob:", "data:"))] == [] and said == []
