"""Tasks that use an object which never leaves its worker."""

import os

import detector
import tenon


@tenon.worker_state
def the_detector() -> detector.Detector:
    return detector.Detector(1_000_000)


def score(item: int) -> tuple[float, int, int, int]:
    """The score; the process, how many detectors were made in it, and how often this one has been used."""
    found = tenon.state(the_detector)
    return found.score(item), os.getpid(), detector.made(), found.uses


def give_away() -> detector.Detector:
    return tenon.state(the_detector)
