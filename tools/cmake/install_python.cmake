# Installs the Python package. The component `python` is the package python3-tenon, which is installed
# in the prefix and uses the worker and the plugins of the package tenon there. The component `wheel` is
# the tree that a wheel packs: it contains worker and plugins inside the package, and is only installed
# on request (runtime/python/build_backend).
if(NOT TENON_PYTHON)
  return()
endif()

set(package ${PROJECT_SOURCE_DIR}/runtime/python/tenon)
set(metadata ${PROJECT_BINARY_DIR}/python/METADATA)
configure_file(${PROJECT_SOURCE_DIR}/runtime/python/METADATA.in ${metadata} @ONLY)
file(GLOB modules CONFIGURE_DEPENDS ${package}/*.py ${package}/*.pyi ${package}/py.typed)

# tenon_install_python(<directory> <install arguments>...): installs the package in a directory.
function(tenon_install_python directory)
  install(TARGETS tenon_python LIBRARY DESTINATION ${directory}/tenon ${ARGN})
  install(FILES ${modules} DESTINATION ${directory}/tenon ${ARGN})
  install(FILES ${metadata} DESTINATION ${directory}/tenon-${PROJECT_VERSION}.dist-info ${ARGN})
  if(TARGET tenon_python_template)
    install(TARGETS tenon_python_template LIBRARY DESTINATION ${directory}/tenon ${ARGN})
    install(FILES ${TENON_SCHEMA_DIR}/tenon/types.fbs DESTINATION ${directory}/tenon/schemas/tenon ${ARGN})
  endif()
endfunction()

tenon_install_python(${TENON_PYTHON_INSTALL_DIR} COMPONENT python)
tenon_install_python(. COMPONENT wheel EXCLUDE_FROM_ALL)
install(TARGETS tenon-worker RUNTIME DESTINATION tenon COMPONENT wheel EXCLUDE_FROM_ALL)
set(wheel_targets tenon_python tenon-worker)
foreach(plugin tenon files text image exec csv jsonl logs sql py)
  if(TARGET plugin_${plugin})
    install(TARGETS plugin_${plugin} LIBRARY DESTINATION tenon/plugins COMPONENT wheel EXCLUDE_FROM_ALL)
    list(APPEND wheel_targets plugin_${plugin})
  endif()
endforeach()
if(TARGET plugin_py)
  install(TARGETS plugin_py LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/tenon/plugins COMPONENT python)
  list(APPEND wheel_targets tenon_python_template)
endif()

# Everything that a wheel contains.
add_custom_target(tenon_wheel DEPENDS ${wheel_targets})
add_dependencies(tenon_products ${wheel_targets})
