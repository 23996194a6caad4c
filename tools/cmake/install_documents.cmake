# Installs every document and example below share/doc/tenon with the directories of the source tree,
# so that the links between them work.
set(documents ${CMAKE_INSTALL_DATADIR}/doc/tenon)
file(GLOB_RECURSE pages CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} plugin_api/*.md runtime/*.md tools/*.md)
foreach(page README.md ${pages} plugin_api/cmake/TenonPlugin.cmake tests/systems/README.md tools/tenon/json.schema.json tools/tenon/tenon.service tests/bench/README.md tests/bench/jobs/README.md
    tests/bench/swap.svg)
  cmake_path(GET page PARENT_PATH directory)
  install(FILES ${page} DESTINATION ${documents}/${directory})
endforeach()
# Example plugins with their pipelines.
install(DIRECTORY plugins DESTINATION ${documents})
install(DIRECTORY tests/integration/outside_plugins/c tests/integration/outside_plugins/cpp
  DESTINATION ${documents}/tests/integration/outside_plugins)
# Headers and schemas are installed elsewhere. The links are relative, so that the prefix can move.
foreach(link
    "plugin_api/include|../../../../${CMAKE_INSTALL_INCLUDEDIR}" "runtime/include|../../../../${CMAKE_INSTALL_INCLUDEDIR}"
    "schemas|../../tenon/schemas")
  string(REPLACE "|" ";" link ${link})
  list(GET link 0 from)
  list(GET link 1 to)
  install(CODE "
    set(link \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${documents}/${from}\")
    cmake_path(GET link PARENT_PATH directory)
    file(MAKE_DIRECTORY \"\${directory}\")
    file(REMOVE \"\${link}\")
    file(CREATE_LINK \"${to}\" \"\${link}\" SYMBOLIC)
    list(APPEND CMAKE_INSTALL_MANIFEST_FILES \"\${CMAKE_INSTALL_PREFIX}/${documents}/${from}\")")
endforeach()
