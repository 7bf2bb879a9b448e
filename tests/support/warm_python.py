"""A Python that has imported the large libraries: each command is a fork of it, and starts in milliseconds.

Each job of the workflow is an interpreter of its own, and a small study has a hundred. Importing PyTorch takes most
of the time of such a job. So the tests have one process that imports what the jobs do, once, and forks itself for
each; the package under test is not imported. Snakemake is run in the same way, and finds as `sys.executable` a
command that asks for such a fork, so that its jobs are forks too. The hash seed of a new interpreter, which a fork
does not have, is left to the tests that say `cold`, and to those with conda.
"""

import atexit
import contextlib
import gc
import importlib
import marshal
import multiprocessing
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

CLIENT = Path(__file__).with_name("warm_client.py")
LIBRARIES = (
    "torch", "torch._dynamo", "numpy", "pandas", "h5py", "yaml", "jsonschema", "PIL.Image", "sklearn.datasets",
    "scipy.stats", "matplotlib.pyplot", "seaborn", "onnx", "onnxscript", "onnxruntime", "snakemake.cli",
)  # fmt: skip


@contextlib.contextmanager
def running():
    """The path of a command with the arguments of `python FILE` and `python -m MODULE`."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        command, place = Path(folder, "python"), str(Path(folder, "socket"))
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -SE "{CLIENT}" "{place}" "$@"\n')
        command.chmod(0o755)
        listener.bind(place)
        listener.listen(64)
        # The end of its standard input ends it, so it cannot outlive the tests, however these end.
        server = subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno()), str(command)],
            stdin=subprocess.PIPE, pass_fds=[listener.fileno()], start_new_session=True,
            env=os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        try:
            yield str(command)
        finally:
            server.stdin.close()
            server.wait()


def serve(listener, command):
    """Fork for each request, until the standard input ends."""
    path = sys.path[1:]
    sys.executable, fork = command, multiprocessing.get_context("fork").Process
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if not gc.get_freeze_count():
            for library in LIBRARIES:
                importlib.import_module(library)
            # A fork that collected garbage would copy every page that it looks at.
            gc.freeze()
        fork(target=attend, args=(connection, path)).start()
        connection.close()
        multiprocessing.active_children()  # to be rid of those that ended
    os._exit(0)


def attend(connection, path):
    """Run the request in a fork, and send its exit status."""
    _, streams, *_ = socket.recv_fds(connection, 1, 3)
    request = marshal.load(connection.makefile("rb"))
    job = multiprocessing.get_context("fork").Process(target=run, args=(streams, path, *request))
    job.start()
    if connection in select.select([connection, job.sentinel], [], [])[0]:
        # Nobody waits for the answer.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGTERM)
    job.join()
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(str(job.exitcode).encode())


def run(streams, path, arguments, folder, environment):
    """Become the requested process: its streams, folder, environment, search path and arguments."""
    os.setsid()
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    sys.stdin = open(0)  # noqa: SIM115, PTH123
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    module = arguments[0] == "-m"
    first = folder if module else str(Path(arguments[0]).resolve().parent)
    sys.path[:] = [first, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)), *path]
    sys.argv[:] = arguments[module:]
    try:
        if module:
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(arguments[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
