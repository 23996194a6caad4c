# Completion of tenon for fish. `tenon complete` does the work: it prints each
# candidate on a line, with a tab and a description, and in the last line what else is allowed.
function __tenon_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines ($words[1] complete -- $words[2..-1] 2>/dev/null)
    set -q lines[1]; or return
    if test (count $lines) -gt 1
        printf '%s\n' $lines[1..-2]
    end
    switch $lines[-1]
        case ':files'
            __fish_complete_path (commandline -ct)
        case ':directories'
            __fish_complete_directories (commandline -ct) ''
    end
end
complete -c tenon -f -a '(__tenon_complete)'
