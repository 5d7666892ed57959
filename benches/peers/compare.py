#!/usr/bin/env python3
"""Runs the same work in other programs and in ours, in turn, on this machine.

Each peer is installed from PyPI into an environment of its own in a temporary folder, which is removed at
the end (gigabytes while it lasts); a peer that cannot be installed or does not run is told with its reason,
and the others go on. Needs Python 3.11, as the oldest of them does not know newer ones, and a release build:

    cargo build --release
    python3.11 benches/peers/compare.py
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
README_NETWORK = ROOT / "examples" / "dgc_spn_mnist.json"
RAT_SPN = ROOT / "benches" / "networks" / "rat_spn_784.json"

# Builds of torch without graphics libraries, a tenth of the size of those on PyPI.
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"

RAT_SPN_WORK = [(RAT_SPN, "loglik", 512), (RAT_SPN, "adam", 64)]


@dataclasses.dataclass
class Peer:
    """Another program: what each call of pip installs, the script that does the work, and the work, each a
    network, an operation and the rows of a batch."""

    name: str
    packages: list
    script: str
    work: list
    # What is first looked for in the index of torch.
    torch: list = dataclasses.field(default_factory=list)


PEERS = [
    Peer(
        "libspn-keras",
        [
            ["tensorflow-cpu==2.13.1", "tensorflow-probability==0.21.0", "colorlover", "plotly"],
            # Its own requirements name the package with graphics libraries, and no upper limits.
            ["--no-deps", "libspn-keras==0.6.0"],
        ],
        "libspn_keras_work.py",
        [
            (README_NETWORK, "loglik", 512),
            (README_NETWORK, "adam", 128),
            (README_NETWORK, "em", 128),
            (README_NETWORK, "hard-em", 128),
        ],
    ),
    Peer(
        "deeprob-kit",
        [["torch==2.2.2", "torchvision==0.17.2", "numpy<2"], ["deeprob-kit==1.1.0", "numpy<2"]],
        "deeprob_work.py",
        RAT_SPN_WORK,
        ["torch==2.2.2", "torchvision==0.17.2", "numpy<2"],
    ),
    Peer("SPFlow", [["spflow==1.1.0"]], "spflow_work.py", RAT_SPN_WORK, ["torch"]),
]


def told(message):
    print(message, file=sys.stderr, flush=True)


def run(command, **options):
    """Standard output of a program; a RuntimeError with its last words if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise RuntimeError(" ".join(words[-3:]) or f"exit code {done.returncode}")
    return done.stdout


def install(peer, folder):
    """The Python of an environment with the peer."""
    told(f"{peer.name}: installing into {folder}")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    if peer.torch:
        try:
            run([*pip, "--index-url", TORCH_INDEX, *peer.torch])
        except RuntimeError:
            told(f"{peer.name}: {TORCH_INDEX} has no torch for this machine; taking that of PyPI")
    for packages in peer.packages:
        run([*pip, *packages])
    return python


def theirs(python, script, operation, batch, arguments):
    command = [python, HERE / script, operation, batch, arguments.seconds, arguments.threads]
    # Some libraries read their number of threads before a program can say it.
    environment = dict(os.environ, OMP_NUM_THREADS=str(arguments.threads), PYTHONDONTWRITEBYTECODE="1")
    output = run([str(word) for word in command], env=environment)
    return json.loads(output.strip().splitlines()[-1])["rows_per_s"]


def ours(network, operation, batch, arguments):
    command = [arguments.spn, "bench", network, "--op", operation, "--batch", batch, "--json"]
    command += ["--seconds", arguments.seconds, "--threads", arguments.threads]
    return json.loads(run([str(word) for word in command]))["rows_per_s"]


def compare(peer, python, work, arguments):
    """The table's line of one piece of work."""
    network, operation, batch = work
    pairs = []
    for number in range(arguments.rounds):
        told(f"{peer.name}: {operation}, batch {batch}, round {number + 1} of {arguments.rounds}")
        rows = theirs(python, peer.script, operation, batch, arguments)
        pairs.append((rows, ours(network, operation, batch, arguments)))
    them, us = (statistics.median(column) for column in zip(*pairs))
    cells = [network.stem, operation, batch, peer.name, f"{them:,.0f}", f"{us:,.0f}", f"{us / them:.1f}"]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spn", default=ROOT / "target" / "release" / "spn", help="our program")
    parser.add_argument("--only", default="", help="peers with this word in their name")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round and program")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if not pathlib.Path(arguments.spn).is_file():
        parser.error(f"{arguments.spn} is missing: run `cargo build --release`, or give --spn FILE")

    lines, missing = [], []
    for peer in PEERS:
        if arguments.only not in peer.name:
            continue
        with tempfile.TemporaryDirectory(prefix="spn-peers-") as folder:
            try:
                python = install(peer, pathlib.Path(folder))
            except (RuntimeError, OSError, subprocess.SubprocessError) as problem:
                missing.append(f"{peer.name} cannot be installed: {problem}")
                continue
            for work in peer.work:
                try:
                    lines.append(compare(peer, python, work, arguments))
                except (RuntimeError, ValueError) as problem:
                    missing.append(f"{peer.name}, {work[1]}: {problem}")
    print(f"{arguments.threads} threads, medians of {arguments.rounds} rounds in turn, rows per second\n")
    print("| network | operation | batch | peer | its rows/s | spn rows/s | times as fast |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(lines))
    for problem in missing:
        print(f"\nMissing: {problem}")
    return 1 if missing else 0


sys.exit(main())
