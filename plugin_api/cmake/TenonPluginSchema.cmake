# cmake -DFLATC= -DSCHEMA=<file.fbs> -DINCLUDES=<dir>|... -DOUTPUT_DIRECTORY= [-DSOURCES=<file>|...]
#       -P TenonPluginSchema.cmake
# Writes the binary schema of a plugin. Translates errors of flatc into the terms of tenon's
# schemas, and reports a task whose function has the name of a C library function more clearly than
# the compiler.
cmake_minimum_required(VERSION 3.25)

# Prints the text as a separate message, because CMake would wrap the text of an error.
function(refuse)
  # One argument after another: ${ARGN} would lose the semicolons inside them.
  set(text "")
  math(EXPR last "${ARGC} - 1")
  foreach(index RANGE ${last})
    string(APPEND text "${ARGV${index}}")
  endforeach()
  message(NOTICE "${text}")
  message(FATAL_ERROR "${SCHEMA} cannot be used; see the message above")
endfunction()

set(known_attributes params idempotent checkpoint settings streaming
  output_name output_directory input_directory left_out)

# Finds the known attribute that `name` misspells; empty if there is none. One letter may be
# missing, superfluous, wrong or misplaced.
function(find_meant name result)
  string(LENGTH "${name}" length)
  foreach(known ${known_attributes})
    string(LENGTH ${known} known_length)
    math(EXPR difference "${length} - ${known_length}")
    if(difference GREATER 2 OR difference LESS -2)
      continue()
    endif()
    # The longest common prefix and suffix together must cover nearly all of it.
    set(start 0)
    while(start LESS length AND start LESS known_length)
      string(SUBSTRING "${name}" ${start} 1 one)
      string(SUBSTRING ${known} ${start} 1 other)
      if(NOT one STREQUAL other)
        break()
      endif()
      math(EXPR start "${start} + 1")
    endwhile()
    set(end 0)
    while(end LESS length AND end LESS known_length)
      math(EXPR at "${length} - 1 - ${end}")
      math(EXPR known_at "${known_length} - 1 - ${end}")
      string(SUBSTRING "${name}" ${at} 1 one)
      string(SUBSTRING ${known} ${known_at} 1 other)
      if(NOT one STREQUAL other)
        break()
      endif()
      math(EXPR end "${end} + 1")
    endwhile()
    math(EXPR covered "${start} + ${end} + 2")
    if(covered GREATER_EQUAL known_length)
      set(${result} ${known} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${result} "" PARENT_SCOPE)
endfunction()

string(REPLACE "|" ";" INCLUDES "${INCLUDES}")
string(REPLACE "|" ";" SOURCES "${SOURCES}")
set(include_options)
foreach(dir ${INCLUDES})
  list(APPEND include_options -I ${dir})
endforeach()
execute_process(COMMAND ${FLATC} --schema -b --bfbs-comments --bfbs-builtins ${include_options} -o ${OUTPUT_DIRECTORY}
  ${SCHEMA} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT status EQUAL 0)
  # Example: "a.fbs:6: 26: error: user define attributes must be declared before use: idempotant".
  if(output MATCHES "([^\n]*):([0-9]+): *[0-9]+: error: user defined? attributes must be declared before use: ([a-zA-Z0-9_]+)")
    string(STRIP "${CMAKE_MATCH_1}" file)
    set(place "${file}:${CMAKE_MATCH_2}")
    set(attribute ${CMAKE_MATCH_3})
    if(attribute IN_LIST known_attributes)
      refuse("${place}: error: the attribute '${attribute}' is declared in tenon's schema, which this file "
        "does not include; add this line at its start:\n  include \"tenon/types.fbs\";")
    endif()
    find_meant(${attribute} meant)
    if(meant)
      set(hint "did you mean '${meant}'?")
    else()
      set(hint "tenon's are idempotent, params, settings and checkpoint; declare your own attribute with\n  attribute \"${attribute}\";")
    endif()
    refuse("${place}: error: there is no attribute '${attribute}'; ${hint}")
  endif()
  if(output MATCHES "unable to (load|locate) include file: ([^\n]*)")
    refuse("${SCHEMA}: error: the included schema ${CMAKE_MATCH_2} does not exist; put it beside the "
      "file that includes it, or name its directory in INCLUDE_DIRECTORIES of tenon_add_plugin()")
  endif()
  refuse("${output}")
endif()

# Functions of the C library that the headers of every C++ plugin declare. In an expression such as
# task<read>, a global function of the same name is ambiguous, and the compiler reports only that it
# cannot deduce a type.
set(library_functions read write close link unlink pause access dup pipe fork sleep nice sync getpid remove rename
  printf puts getline abs div rand exit abort system time clock bsearch qsort strlen select truncate swab crypt brk acct
  daemon perror random lockf free usleep isatty execv)
foreach(source ${SOURCES})
  file(READ ${source} text)
  # The text before the registrations: a function inside a namespace hides the C library's.
  string(FIND "${text}" "\nTENON_PLUGIN(" at)
  if(at EQUAL -1)
    continue()
  endif()
  string(SUBSTRING "${text}" 0 ${at} before)
  string(REGEX REPLACE "[^{]" "" opened "${before}")
  string(REGEX REPLACE "[^}]" "" closed "${before}")
  string(LENGTH "${opened}" opened)
  string(LENGTH "${closed}" closed)
  if(opened GREATER closed)
    continue()
  endif()
  foreach(function ${library_functions})
    if(text MATCHES "task<${function}>")
      # Makes the next build report this again.
      cmake_path(GET SCHEMA STEM LAST_ONLY stem)
      file(REMOVE ${OUTPUT_DIRECTORY}/${stem}.bfbs)
      refuse("${source}: error: task<${function}> is ambiguous, because the C library also has a "
        "${function}(). Put yours into a namespace and register plugin.task<my::${function}>(\"${function}\"), or "
        "give it another name: only the quoted name is the task's name.")
    endif()
  endforeach()
endforeach()
