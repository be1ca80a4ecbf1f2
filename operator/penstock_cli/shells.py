"""The scripts that tell a shell how to complete `penstock`: each asks `penstock __complete`, and evaluates nothing that it hears."""

from __future__ import annotations

from typing import Final

__all__ = ["SCRIPTS"]

_BASH = r"""# bash completion for penstock; needs bash 4. In ~/.bashrc: source <(penstock completion bash)
_penstock_complete() {
    local line word last IFS=$'\n'
    local -a words
    # Bash cuts words at = and :, the program does not: so the line is read anew, as far as the cursor.
    IFS=' ' read -r -a words <<< "${COMP_LINE:0:COMP_POINT}"
    [[ "${COMP_LINE:0:COMP_POINT}" == *' ' ]] && words+=("")
    last="${words[${#words[@]}-1]}"
    COMPREPLY=()
    while IFS= read -r line; do
        case "$line" in
            :0) [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o default 2>/dev/null ;;
            :*) ;;
            *)
                word="${line%%$'\t'*}"
                [[ "$word" == *= ]] && compopt -o nospace 2>/dev/null
                # What stands before the last cut is on the line already.
                [[ "$last" == *[=:]* ]] && word="${word#"${last%"${last##*[=:]}"}"}"
                COMPREPLY+=("$word") ;;
        esac
    done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
}
complete -F _penstock_complete penstock
"""

_ZSH = r"""#compdef penstock
# zsh completion for penstock. In ~/.zshrc, behind compinit: source <(penstock completion zsh)
_penstock() {
    local line files=''
    local -a found open
    while IFS= read -r line; do
        case "$line" in
            :0) files=1 ;;
            :*) ;;
            *=$'\t'*) open+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
            *$'\t'*) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
            *) found+=("${line//:/\\:}") ;;
        esac
    done < <("${words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)
    (( ${#found} )) && _describe -V penstock found
    (( ${#open} )) && _describe -V penstock open -S ''
    (( ${#found} + ${#open} )) || [[ -z "$files" ]] || _files
}
if [[ "${funcstack[1]}" == _penstock ]]; then _penstock "$@"; else compdef _penstock penstock; fi
"""

_FISH = r"""# fish completion for penstock. Once: penstock completion fish > ~/.config/fish/completions/penstock.fish
function __penstock_complete
    set -l words (commandline -opc)
    set -l found ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    for line in $found
        switch $line
            case ':0'
                test (count $found) -eq 1; and __fish_complete_path (commandline -ct)
            case ':*'
            case '*'
                echo $line
        end
    end
end
complete -c penstock -f -a '(__penstock_complete)'
"""

SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
