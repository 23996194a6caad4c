# cpack puts everything that is installed into tenon_<version>_<architecture>.deb, except the Python
# package, which becomes python3-tenon_<version>_<architecture>.deb; and all of it into one archive.
set(CPACK_PACKAGE_NAME tenon)
set(CPACK_PACKAGE_VENDOR tenon)
set(CPACK_PACKAGE_CONTACT "tenon developers <tenon@example.com>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION "A runtime, a command line and a daemon that run tasks from plugins in worker processes and swap plugins while they run; with the headers, libraries and CMake package for writing plugins and hosts.")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS OFF)
# Running tasks only needs libraries. Writing plugins and hosts needs these packages, which apt
# installs by default.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "g++, cmake (>= 3.25), ninja-build, pkg-config, flatbuffers-compiler, libflatbuffers-dev, libexpected-dev, libboost-dev, libsodium-dev, libtomlplusplus-dev")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "gdb, graphviz, bash-completion")
if(TENON_PYTHON)
  set(CPACK_DEB_COMPONENT_INSTALL ON)
  set(CPACK_COMPONENTS_ALL Unspecified python)
  set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_NAME tenon)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-tenon)
  set(CPACK_COMPONENT_PYTHON_DESCRIPTION "Python package of tenon
 Calls tasks of plugins from Python, runs Python functions in worker processes, and makes plugins of annotated modules.")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
  math(EXPR next_minor "${Python3_VERSION_MINOR} + 1")
  # The worker and the module must come from the same build.
  string(CONCAT CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "tenon (= ${PROJECT_VERSION}), "
    "python3 (>= ${Python3_VERSION_MAJOR}.${Python3_VERSION_MINOR}~), python3 (<< ${Python3_VERSION_MAJOR}.${next_minor})")
  # tenon.pack compiles schemas with it.
  set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS "flatbuffers-compiler")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS "python3-numpy")
  # Byte code is generated when the package is installed, and removed with it.
  set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/tools/cmake/python3-tenon/postinst
    ${PROJECT_SOURCE_DIR}/tools/cmake/python3-tenon/prerm)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_STRICT_PERMISSION ON)
endif()
if(NOT CPACK_PACKAGING_INSTALL_PREFIX)
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
endif()
include(CPack)
