# Usage: cmake -DTENON=<program> -DOUTPUT=<directory> -P make_manual.cmake. Writes the manual pages
# of tenon and of each of its commands.
file(REMOVE_RECURSE ${OUTPUT})
file(MAKE_DIRECTORY ${OUTPUT})
execute_process(COMMAND ${TENON} help --man OUTPUT_FILE ${OUTPUT}/tenon.1 COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${TENON} complete -- "" OUTPUT_VARIABLE lines COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[a-z_-]+\t" commands "${lines}")
foreach(command ${commands})
  string(STRIP "${command}" command)
  execute_process(COMMAND ${TENON} help --man ${command} OUTPUT_FILE ${OUTPUT}/tenon-${command}.1
    COMMAND_ERROR_IS_FATAL ANY)
endforeach()
