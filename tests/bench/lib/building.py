"""Builds the preset `bench`, as far as needed."""

import shutil
import subprocess

from . import places


class BuildFailed(Exception):
    """The reason why there is nothing to measure."""


def build(targets, say):
    """Configures and builds. Leaves out targets that this configuration lacks because a peer's
    library is missing."""
    if shutil.which("cmake") is None:
        raise BuildFailed("cmake is not installed; run tools/setup")
    places.BUILD_DIR.mkdir(exist_ok=True)
    log = places.BUILD_DIR / "bench.log"
    with open(log, "wb") as output:
        def step(*command):
            if subprocess.run(command, cwd=places.SOURCE_DIR, stdout=output, stderr=subprocess.STDOUT,
                              check=False).returncode:
                tail = log.read_text(errors="replace").splitlines()[-40:]
                raise BuildFailed(f"building failed; the end of {log}:\n  " + "\n  ".join(tail))

        say("building the preset 'bench'")
        step("cmake", "--preset", "bench")
        known = (places.BUILD_DIR / "build.ninja").read_text(errors="replace")
        step("cmake", "--build", str(places.BUILD_DIR), "--target",
             *(target for target in targets if f"build {target}:" in known))
