# The Python version for the package in runtime/python and the plugin `py`. The system's Python is
# used, not the first one in PATH, because Debian's packages and the embedded interpreter belong to
# it.
if(NOT DEFINED Python3_EXECUTABLE AND EXISTS /usr/bin/python3)
  set(Python3_EXECUTABLE /usr/bin/python3 CACHE FILEPATH "Python of the package and the plugin `py`")
endif()
find_package(Python3 3.11 QUIET COMPONENTS Interpreter Development.Module Development.Embed)

# The sanitizer presets only build the codec and its unit tests: an interpreter without a sanitizer
# cannot load a module with one.
set(tenon_python_default OFF)
if(Python3_Development.Module_FOUND AND NOT TENON_SANITIZE)
  set(tenon_python_default ON)
endif()
option(TENON_PYTHON "Build the Python package `tenon` of runtime/python" ${tenon_python_default})

if(TENON_PYTHON AND NOT Python3_Development.Module_FOUND)
  message(FATAL_ERROR "TENON_PYTHON needs the development files of Python 3.11 or newer (python3-dev); "
    "install them (tools/setup) or configure with -DTENON_PYTHON=OFF")
elseif(TENON_PYTHON)
  message(STATUS "Python package: for Python ${Python3_VERSION} (${Python3_EXECUTABLE})")
elseif(TENON_SANITIZE)
  message(STATUS "Python package: not built with sanitizers")
else()
  message(STATUS "Python package: not built; it needs python3-dev (tools/setup installs it) and TENON_PYTHON=ON")
endif()
set(TENON_PYTHON_INSTALL_DIR lib/python3/dist-packages CACHE STRING
  "Where the Python package is installed, relative to the prefix")
