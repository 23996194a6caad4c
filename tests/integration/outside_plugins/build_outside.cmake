# cmake -DSOURCE= -DWORK= -DPREFIX= -DGENERATOR= -DPLUGIN= [-DINSTALL_FROM=<build tree>] -P build_outside.cmake
# Copies a plugin's project to an empty directory outside the tree, and builds it against the package at PREFIX.
# PLUGIN "" expects the configuration to fail, and ERROR to stand in what it says.
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
if(INSTALL_FROM)
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${INSTALL_FROM} --prefix ${PREFIX} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endif()
file(COPY ${SOURCE}/ DESTINATION ${WORK}/source)
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${WORK}/source -B ${WORK}/build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${PREFIX}
    -DCMAKE_C_COMPILER=${C_COMPILER} -DCMAKE_CXX_COMPILER=${CXX_COMPILER}
  OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE status)
if(PLUGIN STREQUAL "")
  string(REGEX REPLACE "[ \n]+" " " flat "${output}")
  if(status EQUAL 0 OR NOT flat MATCHES "${ERROR}")
    message(FATAL_ERROR "expected '${ERROR}', but the configuration ended with ${status} and:\n${output}")
  endif()
  file(REMOVE_RECURSE ${WORK})
  return()
endif()
if(NOT status EQUAL 0)
  message(FATAL_ERROR "the configuration failed:\n${output}")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build OUTPUT_VARIABLE output ERROR_VARIABLE output
  RESULT_VARIABLE status)
set(library ${WORK}/build/plugins/${PLUGIN}.so)
if(NOT status EQUAL 0 OR NOT EXISTS ${library})
  message(FATAL_ERROR "the build failed:\n${output}")
endif()
file(STRINGS ${library} magic LIMIT_COUNT 1 REGEX "^TENON" LENGTH_MINIMUM 5)
if(NOT magic)
  message(FATAL_ERROR "${library} carries no manifest")
endif()
if(COPY_TO)
  file(COPY ${library} DESTINATION ${COPY_TO})
endif()
file(REMOVE_RECURSE ${WORK})
