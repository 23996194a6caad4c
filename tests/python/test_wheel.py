"""A wheel that is built offline works in a virtual environment; so does an installation in a prefix."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import unittest
import zipfile
from pathlib import Path

from support import BUILD

SOURCE = Path(__file__).resolve().parents[2]
# Only catches a hang.
TIMEOUT_S = 280

# Uses everything that a package must contain: the worker, plugins, the plugin `py`, the template and its schemas.
PROGRAM = """
import sys
from pathlib import Path
import tenon
from tenon import pack

allowed, build = sys.argv[1:]

def check(path):
    assert str(path).startswith(allowed), f'{path} is not below {allowed}'

check(tenon.__file__)
Path('greeter.py').write_text('def greet(name: str) -> str:\\n    import tenon\\n    return tenon.__file__ + name\\n')
pack.pack('greeter.py', 'plugins')
with tenon.Runtime(workers=1, plugin_dirs=['plugins']) as rt:
    check(rt.call('greeter.greet', name='!').value)
with tenon.Runtime(workers=1) as rt:
    assert rt.call('text.count', path='greeter.py').lines == 3
    for worker in rt.stats().workers:
        mapped = Path(f'/proc/{worker.pid}/maps').read_text()
        assert build not in mapped, mapped
        check(Path(f'/proc/{worker.pid}/exe').readlink())
with tenon.Executor(max_workers=1) as executor:
    assert executor.submit(pow, 2, 10).result() == 1024
    assert executor.submit(tenon.source(lambda x: x + 1), 1).result() == 2
print('works')
"""


def run(*command: str, cwd: Path | None = None, **environment: str) -> str:
    """Runs a command without any knowledge of the build, and returns its output."""
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(("TENON_", "PYTHON", "PIP_", "XDG_"))}
    done = subprocess.run(command, cwd=cwd, env=clean | {"PYTHONDONTWRITEBYTECODE": "1"} | environment, text=True,
                          capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Installed(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="tenon-installed-")
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name).resolve()
        self.empty = self.directory / "empty"
        self.empty.mkdir()

    def check_program(self, python: str, allowed: Path, **environment: str) -> None:
        program = self.directory / "program.py"
        program.write_text(PROGRAM, encoding="utf-8")
        said = run(python, str(program), str(allowed), str(BUILD), cwd=self.empty, HOME=str(self.directory),
                   **environment)
        self.assertEqual(said, "works\n")


@unittest.skipUnless(importlib.util.find_spec("pip"), "pip is not installed (python3-pip)")
@unittest.skipUnless(importlib.util.find_spec("ensurepip"), "virtual environments cannot be made (python3-venv)")
class Wheel(Installed):
    def build(self, *settings: str) -> Path:
        arguments = [argument for setting in settings for argument in ("--config-settings", setting)]
        run(sys.executable, "-m", "pip", "wheel", "--no-index", "--no-build-isolation", "--no-deps", "--no-cache-dir",
            "-w", str(self.directory), *arguments, str(SOURCE / "runtime" / "python"), HOME=str(self.directory))
        (wheel,) = self.directory.glob("*.whl")
        return wheel

    def test_it_runs_from_an_empty_directory(self) -> None:
        wheel = self.build(f"build-dir={BUILD}", "no-build=1")
        python = f"cp{sys.version_info.major}{sys.version_info.minor}"
        platform = sysconfig.get_platform().replace("-", "_")
        self.assertRegex(wheel.name, rf"^tenon-\d+\.\d+\.\d+-{python}-{python}-{platform}\.whl$")
        self.check_record(wheel)

        environment = self.directory / "venv"
        run(sys.executable, "-m", "venv", str(environment))
        pip = [str(environment / "bin" / "python"), "-m", "pip"]
        run(*pip, "install", "--no-index", "--no-cache-dir", str(wheel))
        self.check_program(str(environment / "bin" / "python"), environment)
        run(*pip, "uninstall", "-y", "tenon")
        self.assertEqual([path for path in environment.rglob("*tenon*") if path.is_file()], [])

    def check_record(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            (record,) = [name for name in names if name.endswith(".dist-info/RECORD")]
            rows = list(csv.reader(archive.read(record).decode().splitlines()))
            self.assertEqual(sorted(row[0] for row in rows), sorted(names))
            for name, digest, size in rows:
                if name != record:
                    data = archive.read(name)
                    self.assertEqual(int(size), len(data))
                    expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                    self.assertEqual(digest, f"sha256={expected}")
            for name in ("tenon/py.typed", "tenon/_tenon.pyi", "tenon/plugins/py.so", "tenon/plugin_template.so",
                         "tenon/schemas/tenon/types.fbs"):
                self.assertIn(name, names)
            self.assertTrue(archive.getinfo("tenon/tenon-worker").external_attr >> 16 & 0o111)

    def test_what_cannot_be_built_is_said(self) -> None:
        for settings, expected in ((["no-build=1", f"build-dir={self.empty}"], "is not a build directory"),
                                   (["builddir=x"], "unknown settings: builddir; there are build-dir")):
            with self.assertRaisesRegex(AssertionError, expected):
                self.build(*settings)


@unittest.skipUnless(shutil.which("cmake"), "cmake is not installed")
class Prefix(Installed):
    def add_runtime(self, prefix: Path) -> None:
        """Adds the parts of the package tenon that this package uses; all of tenon is large, and another test installs
        it."""
        (prefix / "bin").mkdir(parents=True, exist_ok=True)
        shutil.copy2(BUILD / "bin" / "tenon-worker", prefix / "bin")
        plugins = prefix / "lib" / "tenon" / "plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        for name in ("tenon.so", "text.so"):
            shutil.copy2(BUILD / "plugins" / name, plugins)

    def test_it_runs_from_a_prefix(self) -> None:
        prefix = self.directory / "prefix"
        run("cmake", "--install", str(BUILD), "--component", "python", "--strip", "--prefix", str(prefix))
        self.add_runtime(prefix)
        package = prefix / "lib" / "python3" / "dist-packages"
        self.check_program(sys.executable, prefix, PYTHONPATH=str(package))
        version = run(sys.executable, "-c", "from importlib.metadata import version; print(version('tenon'))",
                      PYTHONPATH=str(package))
        self.assertRegex(version, r"^\d+\.\d+\.\d+\n$")

    @unittest.skipUnless(shutil.which("cpack") and shutil.which("dpkg-deb"), "this system makes no .deb")
    def test_a_debian_package(self) -> None:
        run("cpack", "-G", "DEB", "-B", str(self.directory), "--config", str(BUILD / "CPackConfig.cmake"), "-D",
            "CPACK_COMPONENTS_ALL=python", cwd=self.directory)
        package, = self.directory.glob("python3-tenon_*.deb")
        depends = run("dpkg-deb", "-f", str(package), "Depends")
        self.assertRegex(depends, r"\btenon \(= ")
        self.assertRegex(depends, rf"\bpython3 \(>= 3\.{sys.version_info.minor}~\), python3 \(<< 3\.")
        run("dpkg-deb", "-R", str(package), str(self.directory / "root"))
        scripts = self.directory / "root" / "DEBIAN"
        self.assertTrue(all(os.access(scripts / name, os.X_OK) for name in ("postinst", "prerm")))
        self.add_runtime(self.directory / "root" / "usr")
        self.check_program(sys.executable, self.directory / "root",
                           PYTHONPATH=str(self.directory / "root" / "usr" / "lib" / "python3" / "dist-packages"))


if __name__ == "__main__":
    unittest.main()
