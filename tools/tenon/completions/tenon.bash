# Completion of tenon for bash. `tenon complete` does the work: it prints each
# candidate on a line, with a tab and a description, and in the last line what else is allowed.
_tenon() {
  local tab=$'\t' kind line lines
  mapfile -t lines < <("${COMP_WORDS[0]/#\~\//$HOME/}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  COMPREPLY=()
  ((${#lines[@]} > 0)) || return
  kind="${lines[-1]}"
  unset 'lines[-1]'
  for line in "${lines[@]}"; do COMPREPLY+=("${line%%"$tab"*}"); done
  if ((${#COMPREPLY[@]} == 0)); then
    local word="${COMP_WORDS[COMP_CWORD]}"
    if [[ "$word" == "=" ]]; then word=; fi
    case "$kind" in
      :files) compopt -o filenames 2>/dev/null || true; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
      :directories) compopt -o filenames 2>/dev/null || true; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    esac
  elif [[ "${COMPREPLY[0]}" == *= ]]; then
    compopt -o nospace 2>/dev/null || true
  fi
}
complete -F _tenon tenon
