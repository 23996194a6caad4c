#compdef tenon
# Completion of tenon for zsh. `tenon complete` does the work: it prints each
# candidate on a line, with a tab and a description, and in the last line what else is allowed.
_tenon() {
  local -a lines candidates
  local line kind tab=$'\t'
  lines=("${(@f)$(${(Q)~words[1]} complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  kind="${lines[-1]}"
  for line in "${(@)lines[1,-2]}"; do
    candidates+=("${${line%%$tab*}//:/\\:}:${line#*$tab}")
  done
  (( ${#candidates} )) && _describe -V 'tenon' candidates
  case "$kind" in
    :files) _files ;;
    :directories) _files -/ ;;
  esac
}
# This file is either sourced or loaded by the completion system.
if [[ "${funcstack[1]}" == _tenon ]]; then _tenon "$@"; else compdef _tenon tenon; fi
