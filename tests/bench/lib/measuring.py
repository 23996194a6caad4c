"""Runs the measuring programs in turn, over several rounds."""

import json
import os
import signal
import subprocess
import sys
import time

from . import catalogue, figures, places


class NotInstalled(Exception):
    """The reason why a peer cannot be measured."""


def run_program(command, timeout_s):
    """Runs a program in a separate process group, which is killed at the end. Returns its lines of
    figures, and an error or None."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                          errors="replace", env=environment, start_new_session=True) as process:
        wrong = None
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            wrong = f"took longer than {timeout_s} s"
            _end_group(process)
            output, errors = process.communicate()
        finally:
            _end_group(process)
    if wrong is None and process.returncode != 0:
        wrong = (errors.strip().splitlines() or ["no message"])[-1] + f" (exit code {process.returncode})"
    return [line for line in output.splitlines() if line.startswith("{")], wrong


def _end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def peer_command(peer):
    """Returns the command that starts a peer's program."""
    if not peer.program.endswith(".py"):
        program = places.PROGRAMS_DIR / peer.program
        if not program.exists():
            raise NotInstalled(f"its library is not installed; `tools/setup --bench` installs {peer.needs}")
        return [str(program)]
    # Debian's packages are for Debian's Python, which may not be the first one in PATH.
    python = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
    return [python, str(places.BENCH_DIR / "peers" / peer.program), peer.name]


def choose(only, with_peers):
    """Returns the steps and peers for the figures whose names match `only`, and for their
    comparisons."""
    peers = catalogue.PEERS if with_peers else ()
    if only is None:
        return catalogue.STEPS, peers
    needed = {name for name in (*catalogue.TARGETS, *catalogue.LIMIT_NAMES) if only.search(name)}
    wants_peers = any(catalogue.TARGETS[name].peer for name in needed if name in catalogue.TARGETS)
    while True:
        more = {catalogue.TARGETS[name].limit for name in needed if name in catalogue.TARGETS} - {""} - needed
        if not more:
            break
        needed |= more
    return (tuple(step for step in catalogue.STEPS if step.gives(needed)),
            tuple(peer for peer in peers if wants_peers or any(only.search(name) for name in peer.names())))


class Measurement:
    """All rounds. `absent` and `failed` give, by name, the reason why there are no figures."""

    def __init__(self, steps, peers, quick):
        self.samples = figures.Samples()
        self.timelines = {}  # By name; those of the latest round.
        self.absent = {}
        self.failed = {}
        self._steps, self._peers = steps, peers
        self._quick = ["--quick"] if quick else []

    def run(self, rounds, say):
        begin = time.monotonic()
        for number in range(rounds):
            say(f"round {number + 1} of {rounds} ({time.monotonic() - begin:.0f} s so far)")
            for step in self._steps:
                if number % step.every == 0:
                    self._run_step(step)
            for peer in self._peers:
                if number % peer.every == 0 and peer.name not in self.absent:
                    self._run_peer(peer, first=number == 0)

    def _run_step(self, step):
        command = [str(places.PROGRAMS_DIR / f"bench_{step.program}"), step.name, *self._quick]
        lines, wrong = run_program(command, step.timeout_s)
        self._take(lines, "")
        if wrong:
            self.failed[f"{step.program} {step.name}"] = wrong

    def _run_peer(self, peer, first):
        large = ["--large"] if first else []  # Large workloads take seconds: one round is enough.
        try:
            lines, wrong = run_program([*peer_command(peer), *self._quick, *large], peer.timeout_s)
        except NotInstalled as reason:
            self.absent[peer.name] = str(reason)
            return
        absent = self._take(lines, f"peer.{peer.name}.")
        if absent:
            self.absent[peer.name] = f"{absent}; `tools/setup --bench` installs {peer.needs}"
        elif wrong:
            self.failed[f"peer {peer.name}"] = wrong

    def _take(self, lines, prefix):
        """Stores the figures. Returns the reason why there are none if the program reports that its
        system is missing."""
        for line in lines:
            figure = json.loads(line)
            if "absent" in figure:
                return figure["absent"]
            if "timeline" in figure:
                self.timelines[prefix + figure.pop("timeline")] = figure
                continue
            self.samples.add(prefix + figure["name"], figure["unit"], figure["samples"], figure.get("scale", 1))
        return None
