# tenon_add_plugin(<name> VERSION <major.minor.patch> SCHEMA <file.fbs> SOURCES <file>...
#                  [LINK_LIBRARIES <target>...] [INCLUDE_DIRECTORIES <dir>...] [STATIC_CXX])
#
# Builds the plugin <name>: ${TENON_PLUGIN_OUTPUT_DIRECTORY}/<name>.so (default: plugins/ in the top
# build directory). Defines three targets:
#   plugin_<name>          the library
#   plugin_<name>_objects  its objects, for linking into your own test (see tenon/plugin_test.hpp)
#   <name>::types          the generated types, for hosts that call its tasks; in another project
#                          by find_package(<name>), with <name>_DIR set to this build's directory
# The schema's generated header is "<stem of the schema>_generated.h". The schema may include
# "tenon/types.fbs" and your own schemas, whose headers are generated too. In a project without C++
# no headers are generated, and flatc is needed only for the binary schema.
#
# If CMAKE_BUILD_TYPE is not set, it is set to RelWithDebInfo, and a message says so.
#
# STATIC_CXX links the C++ standard library statically if the compiler provides it as an archive: a
# worker then loads the plugin about 0.7 ms faster, and it runs on systems with an older library.
# Use it only for a plugin that links no other C++ library, because there would be two standard
# libraries.
#
# The library has hidden visibility, exports only tenon_plugin_entry, binds its symbols when it is
# loaded, and carries its manifest and binary schema in section .tenon. All of this is checked after
# each link.
include_guard(GLOBAL)

set(TENON_PLUGIN_MODULE_DIR ${CMAKE_CURRENT_LIST_DIR} CACHE INTERNAL "Where TenonPlugin.cmake and its scripts are")

function(_tenon_find_flatc result)
  if(TARGET flatbuffers::flatc)
    set(${result} flatbuffers::flatc PARENT_SCOPE)
  else()
    find_program(TENON_FLATC flatc DOC "The FlatBuffers compiler")
    if(NOT TENON_FLATC)
      message(FATAL_ERROR "tenon_add_plugin: flatc not found; install it (Debian: flatbuffers-compiler) or set TENON_FLATC")
    endif()
    set(${result} ${TENON_FLATC} PARENT_SCOPE)
  endif()
endfunction()

# Sets TENON_STATIC_CXX_WORKS: whether the C++ library is available as an archive.
function(_tenon_check_static_cxx)
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_LINK_OPTIONS -static-libstdc++ -static-libgcc)
  check_cxx_source_compiles("#include <string>
    int main(int n, char**) { return std::to_string(n).empty() ? 1 : 0; }" TENON_STATIC_CXX_WORKS)
endfunction()

# Follows the includes of a schema. Sets in the caller's scope:
#   <result>_schemas  all schemas that are not tenon's own, this one first
#   <result>_headers  the path of each one's generated header, relative to the output directory
# flatc names an included header as the schema names the include, so a header is found beside the
# one that includes it, or below the directory of generated files.
function(_tenon_scan_schema schema header directories result)
  set(schemas ${schema})
  set(headers ${header})
  set(at 0)
  list(LENGTH schemas count)
  while(at LESS count)
    list(GET schemas ${at} file)
    list(GET headers ${at} its_header)
    cmake_path(GET file PARENT_PATH beside)
    cmake_path(GET its_header PARENT_PATH header_beside)
    file(STRINGS ${file} lines REGEX "^[ \t]*include[ \t]+\"")
    foreach(line IN LISTS lines)
      string(REGEX MATCHALL "include[ \t]+\"[^\"]+\"" includes "${line}")
      foreach(include ${includes})
        string(REGEX REPLACE "^include[ \t]+\"([^\"]+)\"$" "\\1" include "${include}")
        set(found)
        if(EXISTS ${beside}/${include})
          set(found ${beside}/${include})
          set(place ${header_beside}/${include})
        else()
          foreach(directory ${directories})
            if(EXISTS ${directory}/${include})
              set(found ${directory}/${include})
              set(place ${include})
              break()
            endif()
          endforeach()
        endif()
        if(NOT found)
          continue()  # flatc reports it.
        endif()
        cmake_path(NORMAL_PATH found)
        cmake_path(IS_PREFIX TENON_SCHEMA_DIR ${found} NORMALIZE is_tenons)
        if(is_tenons OR found IN_LIST schemas)
          continue()
        endif()
        string(REGEX REPLACE "^/+" "" place "${place}")
        string(REGEX REPLACE "\\.fbs$" "_generated.h" place "${place}")
        list(APPEND schemas ${found})
        list(APPEND headers ${place})
      endforeach()
    endforeach()
    math(EXPR at "${at} + 1")
    list(LENGTH schemas count)
  endwhile()
  set(${result}_schemas ${schemas} PARENT_SCOPE)
  set(${result}_headers ${headers} PARENT_SCOPE)
endfunction()

# A plugin without optimisation is several times slower, which an omitted build type does not ask
# for. It is set for the whole project, so that all targets agree.
function(_tenon_default_build_type)
  get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(NOT multi_config AND NOT CMAKE_BUILD_TYPE)
    message(STATUS "tenon: no CMAKE_BUILD_TYPE was given; using RelWithDebInfo (-DCMAKE_BUILD_TYPE=Debug for a debug build)")
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
    # `tenon dev` says it.
    set(TENON_CHOSEN_BUILD_TYPE RelWithDebInfo CACHE INTERNAL "The build type that tenon_add_plugin() chose")
  endif()
endfunction()

# Defines <name>::types in this build and, through a package file in the top build directory, in
# others.
function(_tenon_export_types name generated)
  set(target plugin_${name}_types)
  add_custom_target(${target}_generate DEPENDS ${ARGN})
  add_dependencies(plugin_${name}_objects ${target}_generate)
  add_library(${target} INTERFACE)
  add_library(${name}::types ALIAS ${target})
  add_dependencies(${target} ${target}_generate)
  target_include_directories(${target} SYSTEM INTERFACE ${generated})
  target_link_libraries(${target} INTERFACE tenon::plugin_api)
  if(NOT PROJECT_NAME STREQUAL "tenon")
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${name}-config.cmake @ONLY CONTENT [[
# Generated by tenon_add_plugin(@name@): the types of its tasks, for hosts. They are generated when
# the plugin is built.
include(CMakeFindDependencyMacro)
find_dependency(tenon)
if(NOT TARGET @name@::types)
  add_library(@name@::types INTERFACE IMPORTED)
  target_include_directories(@name@::types SYSTEM INTERFACE "@generated@")
  target_link_libraries(@name@::types INTERFACE tenon::plugin_api)
endif()
]])
  endif()
endfunction()

function(tenon_add_plugin name)
  cmake_parse_arguments(arg "STATIC_CXX" "VERSION;SCHEMA" "SOURCES;LINK_LIBRARIES;INCLUDE_DIRECTORIES" ${ARGN})
  set(where "tenon_add_plugin(${name})")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${where}: unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  string(LENGTH "${name}" name_length)
  if(NOT name MATCHES "^[a-z][a-z0-9_]*$" OR name_length GREATER 63)
    message(FATAL_ERROR "${where}: a plugin name must match [a-z][a-z0-9_]* and have at most 63 characters")
  endif()
  string(LENGTH "${arg_VERSION}" version_length)
  if(NOT arg_VERSION MATCHES "^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)$" OR version_length GREATER 31)
    message(FATAL_ERROR "${where}: VERSION is '${arg_VERSION}'; it must have the form major.minor.patch, as in 1.0.0")
  endif()
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "${where}: SOURCES is missing")
  endif()
  if(NOT arg_SCHEMA)
    message(FATAL_ERROR "${where}: SCHEMA is missing; it declares the plugin's tasks as methods of an rpc_service")
  endif()
  cmake_path(ABSOLUTE_PATH arg_SCHEMA BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE OUTPUT_VARIABLE schema)
  if(NOT EXISTS ${schema})
    message(FATAL_ERROR "${where}: SCHEMA ${schema} does not exist")
  endif()
  cmake_path(GET schema STEM LAST_ONLY stem)
  cmake_path(GET schema PARENT_PATH schema_dir)
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if(NOT "C" IN_LIST languages)
    message(FATAL_ERROR "${where}: the manifest is a C source; add C to the LANGUAGES of project()")
  endif()
  _tenon_default_build_type()
  _tenon_find_flatc(flatc)

  set(generated ${CMAKE_CURRENT_BINARY_DIR}/plugin_${name})
  file(MAKE_DIRECTORY ${generated})
  set(schema_directories ${schema_dir} ${TENON_SCHEMA_DIR})
  foreach(dir ${arg_INCLUDE_DIRECTORIES})
    cmake_path(ABSOLUTE_PATH dir BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    list(APPEND schema_directories ${dir})
  endforeach()
  set(includes)
  foreach(dir ${schema_directories})
    list(APPEND includes -I ${dir})
  endforeach()
  _tenon_scan_schema(${schema} ${stem}_generated.h "${schema_directories}" scan)
  # A changed include changes the list of generated files.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${scan_schemas})

  # The complete binary schema, then the manifest that contains it. A source that does not exist yet
  # is generated and is not checked.
  set(checked_sources)
  foreach(source ${arg_SOURCES})
    if(NOT source MATCHES "\\$<")
      cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
      if(EXISTS ${source} AND NOT source MATCHES "\\.[ch]$")
        list(APPEND checked_sources ${source})
      endif()
    endif()
  endforeach()
  set(flatc_file ${flatc})
  if(TARGET ${flatc})
    set(flatc_file $<TARGET_FILE:${flatc}>)
  endif()
  set(binary_schema ${generated}/${stem}.bfbs)
  list(JOIN schema_directories "|" schema_directories)
  list(JOIN checked_sources "|" sources_argument)
  add_custom_command(OUTPUT ${binary_schema}
    COMMAND ${CMAKE_COMMAND} -DFLATC=${flatc_file} -DSCHEMA=${schema}
      "-DINCLUDES=${schema_directories}" -DOUTPUT_DIRECTORY=${generated} "-DSOURCES=${sources_argument}"
      -P ${TENON_PLUGIN_MODULE_DIR}/TenonPluginSchema.cmake
    DEPENDS ${scan_schemas} ${checked_sources} ${TENON_SCHEMA_DIR}/tenon/types.fbs
      ${TENON_PLUGIN_MODULE_DIR}/TenonPluginSchema.cmake
    VERBATIM COMMENT "flatc ${stem}.fbs (binary schema)")
  set(manifest ${generated}/manifest.c)
  add_custom_command(OUTPUT ${manifest}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DVERSION=${arg_VERSION} -DSCHEMA=${binary_schema} -DOUTPUT=${manifest}
      -P ${TENON_PLUGIN_MODULE_DIR}/TenonPluginManifest.cmake
    DEPENDS ${binary_schema} ${TENON_PLUGIN_MODULE_DIR}/TenonPluginManifest.cmake VERBATIM
    COMMENT "manifest of plugin ${name}")
  set(generated_sources ${manifest})
  if("CXX" IN_LIST languages)
    # A header contains only the tables of its own schema. It also depends on included schemas and
    # on the binary schema, whose error messages are clearer.
    foreach(its_schema its_header IN ZIP_LISTS scan_schemas scan_headers)
      set(header ${generated}/${its_header})
      cmake_path(NORMAL_PATH header)
      cmake_path(GET header PARENT_PATH header_directory)
      cmake_path(GET its_schema FILENAME its_name)
      add_custom_command(OUTPUT ${header}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${header_directory}
        COMMAND ${flatc} --cpp --cpp-std c++17 --scoped-enums --gen-object-api --gen-name-strings --keep-prefix
          ${includes} -o ${header_directory} ${its_schema}
        DEPENDS ${scan_schemas} ${binary_schema} VERBATIM COMMENT "flatc ${its_name}")
      list(APPEND generated_sources ${header})
    endforeach()
  endif()

  set(objects plugin_${name}_objects)
  add_library(${objects} OBJECT ${arg_SOURCES} ${generated_sources})
  set_target_properties(${objects} PROPERTIES
    POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_compile_features(${objects} PUBLIC c_std_11)
  # The author's warning flags do not apply to generated code.
  target_include_directories(${objects} SYSTEM PUBLIC ${generated})
  target_include_directories(${objects} PRIVATE ${arg_INCLUDE_DIRECTORIES})
  target_link_libraries(${objects} PUBLIC tenon::plugin_c ${arg_LINK_LIBRARIES})
  if("CXX" IN_LIST languages)
    target_compile_features(${objects} PUBLIC cxx_std_20)
    target_link_libraries(${objects} PUBLIC tenon::plugin_api)
    # A GNU-unique symbol would be shared with other plugins and would pin the library in memory.
    target_compile_options(${objects} PRIVATE
      $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fno-gnu-unique>)
  endif()

  set(target plugin_${name})
  add_library(${target} MODULE)
  target_link_libraries(${target} PRIVATE ${objects})
  if("CXX" IN_LIST languages)
    set(has_cxx FALSE)
    foreach(source ${arg_SOURCES})
      if(NOT source MATCHES "\\.c$")
        set(has_cxx TRUE)
      endif()
    endforeach()
    if(NOT has_cxx)
      set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C)
    endif()
  endif()
  if(NOT DEFINED TENON_PLUGIN_OUTPUT_DIRECTORY)
    set(TENON_PLUGIN_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  endif()
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${name} SUFFIX .so
    LIBRARY_OUTPUT_DIRECTORY ${TENON_PLUGIN_OUTPUT_DIRECTORY}
    LINK_DEPENDS ${TENON_PLUGIN_MODULE_DIR}/tenon_plugin.map)
  target_link_options(${target} PRIVATE -Wl,-z,now
    -Wl,--version-script=${TENON_PLUGIN_MODULE_DIR}/tenon_plugin.map)
  # A sanitizer's runtime is resolved in the process; all symbols can be required at link time only
  # without one.
  string(CONCAT flags "${CMAKE_C_FLAGS} ${CMAKE_CXX_FLAGS} ${CMAKE_SHARED_LINKER_FLAGS} ${CMAKE_MODULE_LINKER_FLAGS} "
    "${TENON_SANITIZE}")
  if(NOT flags MATCHES "-fsanitize" AND NOT TENON_SANITIZE)
    target_link_options(${target} PRIVATE -Wl,--no-undefined)
    if(arg_STATIC_CXX AND "CXX" IN_LIST languages)
      _tenon_check_static_cxx()
      if(TENON_STATIC_CXX_WORKS)
        target_link_options(${target} PRIVATE
          $<$<LINK_LANGUAGE:CXX>:-static-libstdc++> $<$<LINK_LANGUAGE:CXX>:-static-libgcc>)
      endif()
    endif()
  endif()

  if("CXX" IN_LIST languages)
    _tenon_export_types(${name} ${generated} ${generated_sources})
  endif()

  # Inside tenon's own tree, its flags apply.
  if(TARGET tenon_sanitize)
    target_link_libraries(${objects} PUBLIC tenon_sanitize)
  endif()
  if(TARGET tenon_flags AND PROJECT_NAME STREQUAL "tenon")
    target_link_libraries(${objects} PRIVATE tenon_flags)
  endif()

  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND ${CMAKE_COMMAND} -DREADELF=${CMAKE_READELF} -DLIBRARY=$<TARGET_FILE:${target}>
      -P ${TENON_PLUGIN_MODULE_DIR}/TenonPluginCheck.cmake
    VERBATIM COMMENT "check plugin ${name}")
endfunction()
