#!/usr/bin/env python3
"""check_layers finds each kind of break in a small tree, and nothing in a right one."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "check_layers"


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.root = Path(self.directory.name)
        self.write("runtime/include/tenon/error.hpp", "#include <string>\n")
        self.write("runtime/include/tenon/runtime.hpp", "#include <tenon/error.hpp>\n")
        self.write("plugin_api/include/tenon/plugin.h", "#if defined(_WIN32)\n#define TENON_EXPORT\n#endif\n")

    def tearDown(self):
        self.directory.cleanup()

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def findings(self):
        result = subprocess.run([sys.executable, str(SCRIPT), "--root", str(self.root)], capture_output=True, text=True)
        lines = result.stderr.splitlines()
        self.assertEqual(result.returncode, 1 if lines else 0)
        return lines[:-1]

    def test_right_tree_has_no_findings(self):
        self.write("runtime/src/ipc/ring.cpp", '#include "ipc/ring.hpp"\n#include "platform/doorbell.hpp"\n')
        self.write("runtime/src/platform/linux/doorbell.cpp", "#include <sys/mman.h>\n#ifdef __linux__\n#endif\n")
        self.write("plugins/files/walk.cpp", "#include <dirent.h>\n#include <tenon/plugin.h>\n")
        self.write("tools/tenon/main.cpp", '#include "pipeline/x.hpp"\n#include "tools/tenon/y.hpp"\n')
        self.assertEqual(self.findings(), [])

    def test_include_from_above_names_file_and_line(self):
        self.write("runtime/src/ipc/ring.cpp", '#include <array>\n#include "host/pool.hpp"\n')
        self.assertEqual(self.findings(), ["runtime/src/ipc/ring.cpp:2: 'ipc' includes 'host/pool.hpp' of 'host', "
                                           "which is in a higher layer"])

    def test_worker_and_host_never_meet(self):
        self.write("runtime/src/worker/a.cpp", '#include "host/pool.hpp"\n')
        self.write("runtime/src/host/b.cpp", '#include "worker/worker.hpp"\n')
        self.assertEqual(len(self.findings()), 2)

    def test_schema_and_ipc_never_meet_and_know_no_plugin_files(self):
        self.write("runtime/src/schema/a.cpp", '#include "platform/file.hpp"\n#include "ipc/ring.hpp"\n')
        self.write("runtime/src/ipc/b.cpp", '#include "schema/model.hpp"\n')
        self.write("runtime/src/schema/c.cpp", '#include "plugin/store.hpp"\n')
        self.assertEqual([finding.split(": ")[0] for finding in self.findings()],
                         ["runtime/src/ipc/b.cpp:1", "runtime/src/schema/a.cpp:2", "runtime/src/schema/c.cpp:1"])

    def test_swap_stands_between_plugin_and_host(self):
        self.write("runtime/src/swap/a.cpp", '#include "plugin/store.hpp"\n#include <tenon/swap.hpp>\n')
        self.write("runtime/src/host/b.cpp", '#include "swap/lane.hpp"\n')
        self.write("runtime/include/tenon/swap.hpp", "#include <tenon/error.hpp>\n")
        self.assertEqual(self.findings(), [])
        self.write("runtime/src/swap/c.cpp", '#include "host/pool.hpp"\n')
        self.write("runtime/src/plugin/d.cpp", '#include "swap/lane.hpp"\n#include <tenon/swap.hpp>\n')
        self.assertEqual(len(self.findings()), 3)

    def test_nothing_in_the_host_includes_the_facade(self):
        self.write("runtime/src/host/runtime.cpp", "#include <tenon/runtime.hpp>\n")
        self.write("runtime/src/pipeline/a.cpp", "#include <tenon/runtime.hpp>\n")
        self.assertEqual(self.findings(), [])
        self.write("runtime/src/host/pool.hpp", "#include <tenon/runtime.hpp>\n")
        self.assertEqual(self.findings(), ["runtime/src/host/pool.hpp:1: <tenon/runtime.hpp> is the facade over this "
                                           "file; include <tenon/options.hpp> or what it declares"])

    def test_files_that_include_each_other(self):
        self.write("runtime/src/ipc/a.hpp", '#include <array>\n#include "ipc/b.hpp"\n')
        self.write("runtime/src/ipc/b.hpp", '#include "ipc/c.hpp"\n')
        self.write("runtime/src/ipc/c.hpp", '#include "ipc/a.hpp"\n')
        self.assertEqual(self.findings(), [
            "runtime/src/ipc/a.hpp:2: files include each other: runtime/src/ipc/a.hpp -> runtime/src/ipc/b.hpp "
            "(runtime/src/ipc/a.hpp:2) -> runtime/src/ipc/c.hpp (runtime/src/ipc/b.hpp:1) -> runtime/src/ipc/a.hpp "
            "(runtime/src/ipc/c.hpp:1)"])

    def test_file_that_includes_itself(self):
        self.write("runtime/src/ipc/a.hpp", '#include "ipc/a.hpp"\n')
        self.assertEqual(len(self.findings()), 1)

    def test_directories_that_include_each_other(self):
        self.write("runtime/src/ipc/a.hpp", "#include <array>\n")
        self.write("runtime/src/ipc/b.hpp", '#include "ipc/inner/c.hpp"\n')
        self.write("runtime/src/ipc/inner/c.hpp", '#include "ipc/a.hpp"\n')
        self.assertEqual(self.findings(), [
            "runtime/src/ipc/b.hpp:1: directories include each other: runtime/src/ipc -> runtime/src/ipc/inner "
            "(runtime/src/ipc/b.hpp:1) -> runtime/src/ipc (runtime/src/ipc/inner/c.hpp:1)"])

    def test_plugins_that_include_each_other(self):
        self.write("plugins/text/a.hpp", '#include "files/b.hpp"\n')
        self.write("plugins/text/c.hpp", "#include <string>\n")
        self.write("plugins/files/b.hpp", "#include <string>\n")
        self.assertEqual(self.findings(), [])
        self.write("plugins/files/b.hpp", '#include "text/c.hpp"\n')
        self.assertEqual(len(self.findings()), 1)

    def test_class_name_twice_in_one_namespace(self):
        self.write("runtime/src/ipc/a.hpp", "namespace tenon::internal {\nclass Ring final : public Base {\n};\n}\n")
        self.write("runtime/src/host/b.cpp", "namespace tenon {\nnamespace internal {\nenum class Ring { kOne };\n}\n}\n")
        self.assertEqual(self.findings(), ["runtime/src/ipc/a.hpp:2: 'tenon::internal::Ring' is also defined in "
                                           "runtime/src/host/b.cpp:3; rename one of them"])

    def test_class_name_twice_where_that_is_right(self):
        self.write("runtime/src/ipc/a.cpp", "namespace tenon::internal {\nclass Ring;\nnamespace {\nstruct Entry {};\n}\n"
                   "struct Ring::State {};\nvoid f(struct Ring* ring) { }\n}\n")
        self.write("runtime/src/host/b.cpp", "namespace tenon::internal {\nnamespace {\nstruct Entry {};\n}\n"
                   "class Ring { struct Inner { }; };\nclass Pool { struct Inner { }; };\n"
                   "// class Ring {\nconst char* text = \"class Ring {\";\n}\n")
        self.assertEqual(self.findings(), [])

    def test_python_stands_above_the_runtime_and_its_codec_by_itself(self):
        self.write("runtime/python/native/a.cpp", '#include "host/pool.hpp"\n#include "python/codec/encode.hpp"\n')
        self.write("plugins/py/py.cpp", '#include "python/codec/encode.hpp"\n')
        self.assertEqual(self.findings(), [])
        self.write("runtime/python/codec/encode.cpp", '#include "base/text.hpp"\n')
        self.write("plugins/text/text.cpp", '#include "python/codec/encode.hpp"\n')
        self.write("runtime/src/host/b.cpp", '#include "python/native/a.hpp"\n')
        self.assertEqual(len(self.findings()), 3)

    def test_public_header_of_a_higher_floor(self):
        self.write("runtime/src/plugin/a.cpp", "#include <tenon/runtime.hpp>\n")
        self.assertEqual(len(self.findings()), 1)

    def test_public_header_keeps_internals_out(self):
        self.write("runtime/include/tenon/runtime.hpp", '#include "base/text.hpp"\n')
        self.assertEqual(len(self.findings()), 1)

    def test_plugin_keeps_the_runtime_out(self):
        self.write("plugins/text/a.cpp", "#include <tenon/runtime.hpp>\n")
        self.assertEqual(len(self.findings()), 1)

    def test_os_header_and_macro_outside_platform(self):
        self.write("runtime/src/host/a.cpp", "#include <unistd.h>\n#if defined(_WIN32)\n#endif\n")
        self.write("runtime/src/platform/process.hpp", "#include <sys/types.h>\n")
        self.write("tools/tenon/b.cpp", "#include <windows.h>\n")
        self.assertEqual(len(self.findings()), 4)

    def test_wall_clock_only_where_times_are_shown(self):
        self.write("runtime/src/host/a.cpp", "auto t = std::chrono::system_clock::now();\nlong u = time(nullptr);\n"
                   "auto v = std::chrono::steady_clock::now();  // Not system_clock.\nint w = run_time(x);\n")
        self.write("runtime/src/platform/linux/b.cpp", "clock_gettime(CLOCK_REALTIME, &now);\n")
        self.write("runtime/src/plugin/store.cpp", "auto t = std::chrono::system_clock::now();\n")
        self.write("plugins/files/c.cpp", "auto t = std::chrono::system_clock::now();\n")
        self.assertEqual([finding.split(": ")[0] for finding in self.findings()],
                         ["runtime/src/host/a.cpp:1", "runtime/src/host/a.cpp:2", "runtime/src/platform/linux/b.cpp:1"])

    def test_no_waits_that_the_library_of_mingw_loses(self):
        self.write("runtime/src/host/a.cpp", "#include <semaphore>\nstd::latch done(1);\nstd::atomic_wait(&word, 0);\n"
                   "word.wait(0, std::memory_order_acquire);\nchanged.wait(lock);\n// std::barrier\n")
        self.write("plugins/files/b.cpp", "#include <latch>\n")
        self.assertEqual([finding.split(": ")[0] for finding in self.findings()],
                         [f"runtime/src/host/a.cpp:{line}" for line in (1, 2, 3, 4)])

    def test_header_of_one_system_from_outside(self):
        self.write("runtime/src/host/a.cpp", '#include "platform/linux/futex.hpp"\n')
        self.assertEqual(len(self.findings()), 1)

    def test_comments_do_not_count(self):
        self.write("runtime/src/ipc/a.cpp", '// #include "host/a.hpp"\n/*\n#include <unistd.h>\n*/\n')
        self.assertEqual(self.findings(), [])

    def test_a_place_that_is_no_tree(self):
        result = subprocess.run([sys.executable, str(SCRIPT), "--root", "/proc/self/fd"], capture_output=True, text=True)
        self.assertEqual(result.returncode, 2)


if __name__ == "__main__":
    unittest.main()
