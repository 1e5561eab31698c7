# static.awk - checks what a README quotes and names, and writes down what it runs. tests/prose/run runs
# it, with the README given twice: what is defined anywhere in it counts everywhere.
#
#   readme   its name in messages            folder   where it stands, from the root ("." or a stage)
#   sources  files whose text may be quoted  before   those of the stage before, for diffs
#   targets  what make can make              plan     a directory for what is to be run
#   steps    the patches that lead here, in their order
#
# Each mistake is a line on stdout: README:LINE: what is wrong.

function mistake(at, text) { printf "%s:%d: %s\n", readme, at, text; mistakes++ }

# White space does not count: the formatter may break a line elsewhere.
function squeeze(text) {
    gsub(/[ \t\r\n]+/, " ", text)
    sub(/^ /, "", text)
    sub(/ $/, "", text)
    return text
}

function read_files(names,    count, list, i, line, text) {
    count = split(names, list, " ")
    for (i = 1; i <= count; i++) {
        while ((getline line < list[i]) > 0)
            text = text " " line
        close(list[i])
    }
    return " " squeeze(text) " "
}

function exists(path,    found) {
    gsub(/'/, "", path)
    found = system("test -e '" path "'") == 0
    return found
}

function is_word(letter) { return letter ~ /[A-Za-z0-9_]/ }

# Whether a name stands in a text, not as a part of a longer name.
function stands_in(text, name,    start, at, before_it, behind_it) {
    for (start = 1; (at = index(substr(text, start), name)) > 0; start = at + 1) {
        at += start - 1
        before_it = at > 1 ? substr(text, at - 1, 1) : ""
        behind_it = substr(text, at + length(name), 1)
        if (!(is_word(substr(name, 1, 1)) && is_word(before_it)) &&
            !(is_word(substr(name, length(name))) && is_word(behind_it)))
            return 1
    }
    return 0
}

# The path as seen from the README, from its root, or among the common modules; "" if nothing is there.
function find_path(path) {
    if (exists(folder "/" path)) return folder "/" path
    if (exists(path)) return path
    if (exists("common/" path)) return "common/" path
    return ""
}

# Checks `make -C X target VAR=value` in a command line or a code span.
function check_make(at, command,    words, count, i) {
    count = split(command, words, " ")
    for (i = 2; i <= count; i++) {
        if (words[i] == "&&" || words[i] ~ /^[#|;>]/) return
        if (words[i] == "-C") {
            i++
            if (find_path(words[i]) == "") mistake(at, "there is no directory " words[i])
        } else if (words[i] ~ /^MUTANT=/) {
            if (system("tests/mutants/pick " (folder == "." ? "v" : folder) " " substr(words[i], 8) " >/dev/null") != 0)
                mistake(at, "there is no mutant " substr(words[i], 8))
        } else if (words[i] ~ /=/) {
            if (words[i] ~ /'/) return # a value of several words, up to the end of the command
        } else if (words[i] !~ /^-/ && index(" " targets " ", " " words[i] " ") == 0)
            mistake(at, "make has no target " words[i])
    }
}

# Checks that each program, file and make target of a command line is there.
function check_command(at, line,    commands, count, words, many, i, j) {
    sub(/[ \t]+#.*/, "", line)
    count = split(line, commands, /&&|\||;/)
    for (i = 1; i <= count; i++) {
        sub(/^[ \t]+/, "", commands[i])
        if (commands[i] ~ /^make( |$)/) {
            check_make(at, commands[i])
            continue
        }
        many = split(commands[i], words, /[ \t]+/)
        for (j = 1; j <= many; j++)
            if (words[j] ~ /\// && words[j] !~ /['":=*~$]|^\/|^\.\/broken\// && find_path(words[j]) == "")
                mistake(at, "there is no file " words[j])
    }
}

# What may stand in a code span: something of the source, of a transcript of the same README, of
# its list <!-- elsewhere: ... -->; a file; a command.
function check_span(at, span,    name, count, words) {
    if (index(elsewhere, ", " span ",") || index(transcripts, span)) return
    if (span ~ /^make( |$)/) { check_make(at, span); return }
    if (span ~ /^--?[a-z]+$/) {
        if (!index(usage_pool, "[" span "]") && !index(usage_pool, " " span " ") && !index(usage_pool, " " span ","))
            mistake(at, "there is no option `" span "`")
        return
    }
    name = span
    if (sub(/\(\)$/, "", name) && stands_in(pool, name "(")) return
    if (name == span && stands_in(pool, span)) return
    count = split(span, words, " ")
    if (words[1] == "diff") { check_command(at, span); return }
    if (find_path(words[1]) != "" && words[1] !~ /^-/) { check_command(at, span); return }
    mistake(at, "`" span "` is neither in the source nor a file, a target or an option")
}

function slug(title) {
    title = tolower(title)
    gsub(/[^a-z0-9 _-]/, "", title)
    gsub(/ /, "-", title)
    return title
}

function check_link(at, link) {
    if (link ~ /^https?:\/\//) return
    if (link ~ /^#/) {
        if (!(substr(link, 2) in anchors)) mistake(at, "there is no heading " link)
        return
    }
    sub(/#.*/, "", link)
    if (!exists(folder "/" link)) mistake(at, "the link leads nowhere: " link)
}

function check_text(at, line,    rest, span) {
    rest = line
    while (match(rest, /`[^`]*`/)) {
        span = substr(rest, RSTART + 1, RLENGTH - 2)
        rest = substr(rest, 1, RSTART - 1) "code" substr(rest, RSTART + RLENGTH)
        check_span(at, span)
    }
    if (index(rest, "`")) mistake(at, "a code span does not end on its line")
    while (match(rest, /\]\([^)]*\)/)) {
        check_link(at, substr(rest, RSTART + 2, RLENGTH - 3))
        rest = substr(rest, RSTART + RLENGTH)
    }
}

# --- quoted C, and diffs: a run of lines is one piece; `...` stands for what is left out

function check_piece(    text) {
    text = squeeze(piece)
    if (text != "" && block == "c" && !index(pool, text))
        mistake(piece_line, "this is not in the source: " text)
    if (text != "" && block == "diff" && piece_sign != "+" && !index(old_pool, text))
        mistake(piece_line, "this is not in the source before the change: " text)
    if (text != "" && block == "diff" && piece_sign == "-" && broken == "" && index(new_pool, text))
        mistake(piece_line, "the stage still has this: " text)
    if (text != "" && block == "diff" && piece_sign != "-" && broken == "" && !index(new_pool, text))
        mistake(piece_line, "this is not in the source of the stage: " text)
    if (text != "" && block == "diff" && piece_sign == "+" && broken == "" && index(old_pool, text))
        mistake(piece_line, "the stage before has this already: " text)
    piece = ""
}

function quoted_line(at, line,    sign) {
    if (block == "diff" && line != "...") {
        sign = substr(line, 1, 1)
        line = substr(line, 2)
        if (sign == "@") line = "..."
        else if (sign !~ /^[-+ ]?$/) mistake(at, "a line of a diff begins with -, + or a space")
        if (sign != piece_sign) check_piece()
        piece_sign = sign
    }
    if (line ~ /^[ \t]*(\.\.\.|\/\* \.\.\. \*\/)[ \t]*$/) {
        check_piece()
        return
    }
    if (piece == "") piece_line = at
    piece = piece "\n" line
}

# --- the steps to a stage: each is quoted whole, from its first @@ on

function read_steps(    i, line, body) {
    count_of_steps = split(steps, step_file, " ")
    for (i = 1; i <= count_of_steps; i++) {
        body = 0
        while ((getline line < step_file[i]) > 0)
            if ((body = body || line ~ /^@@/)) step_text[i] = step_text[i] line "\n"
        close(step_file[i])
    }
}

function check_step(at) {
    if (step > count_of_steps) mistake(at, "there is no step " step)
    else if (step != last_step + 1) mistake(at, "step " last_step + 1 " is missing here")
    else if (quoted_step != step_text[step]) mistake(at, "this is not " step_file[step] ": tests/steps/show --quote " folder " quotes it anew")
    last_step = step
}

# --- Mermaid: of its sequence diagrams, what the READMEs use

function mermaid_text(at, text,    bare) {
    bare = text
    gsub(/"[^"]*"/, "", bare)
    if (bare ~ /(^|[^A-Za-z])end([^A-Za-z]|$)/) mistake(at, "Mermaid takes the word end for a keyword: quote it")
    if (text ~ /[;#]/) mistake(at, "Mermaid takes ; and # for its own")
    if (squeeze(text) == "") mistake(at, "there is no text")
}

function mermaid_names(at, names,    list, count, i) {
    count = split(names, list, /,/)
    for (i = 1; i <= count; i++)
        if (!(squeeze(list[i]) in participants)) mistake(at, "this participant is not declared: " squeeze(list[i]))
}

function mermaid_line(at, line,    arrow, target, text) {
    line = squeeze(line)
    if (!diagram) {
        if (line != "sequenceDiagram") mistake(at, "a diagram begins with sequenceDiagram")
        diagram = 1
        return
    }
    if (line == "" || line ~ /^%%/ || line == "autonumber") return
    if (line ~ /^(participant|actor) [A-Za-z][A-Za-z0-9]*( as .+)?$/) {
        split(line, arrow, " ")
        participants[arrow[2]] = 1
        return
    }
    if (line ~ /^(loop|alt|opt|par|rect|critical|break) /) { depth++; return }
    if (line ~ /^(else|and|option)( |$)/) {
        if (depth == 0) mistake(at, "nothing is open here: " line)
        return
    }
    if (line == "end") {
        if (--depth < 0) mistake(at, "nothing is open here: end")
        return
    }
    text = line
    if (!sub(/^[^:]*:/, "", text)) text = ""
    if (line ~ /^Note (over|left of|right of) [^:]+: ./) {
        sub(/^Note (over|left of|right of) /, "", line)
        sub(/:.*/, "", line)
        mermaid_names(at, line)
        mermaid_text(at, text)
        return
    }
    if (match(line, /^[A-Za-z][A-Za-z0-9]* ?(-->>|->>|-->|->|--x|-x|--\)|-\)) ?[-+]?[A-Za-z][A-Za-z0-9]* ?: ./)) {
        sub(/:.*/, "", line)
        match(line, /(-->>|->>|-->|->|--x|-x|--\)|-\))/)
        target = substr(line, RSTART + RLENGTH)
        sub(/^ ?[-+]/, "", target)
        mermaid_names(at, substr(line, 1, RSTART - 1) "," target)
        mermaid_text(at, text)
        return
    }
    mistake(at, "Mermaid would not understand: " line)
}

# --- what is run: the plan has a line for each section, change and terminal

function open_block(at,    file) {
    broken = ""
    if (block == "diff") {
        old_pool = before_pool
        new_pool = own_pool
        in_step = 0
        if (mark ~ /^break /) {
            broken = find_path(substr(mark, 7))
            if (broken == "") mistake(mark_line, "there is no file " substr(mark, 7))
            else {
                old_pool = read_files(broken)
                file = plan "/" at ".diff"
                printf "" > file
                print "break", at, broken, file > (plan "/plan")
            }
        } else if (step) {
            in_step = 1
            quoted_step = ""
        } else if (before == "") mistake(at, "there is no stage before this one; is it a change that breaks a file?")
        piece_sign = ""
    } else if (block == "console") {
        if (mark ~ /^terminal [0-9]/) {
            file = plan "/" at ".txt"
            printf "" > file
            print "terminal", at, file, mark > (plan "/plan")
        } else if (mark !~ /^not run: ./)
            mistake(at, "a transcript needs a mark: <!-- terminal N --> or <!-- not run: why -->")
    } else if (block == "mermaid") {
        diagram = depth = 0
        split("", participants)
    } else if (block !~ /^(c|sh|text)$/)
        mistake(at, "a block is one of c, diff, console, sh, mermaid and text, not " block)
    block_file = file
}

function close_block(at) {
    if (block == "diff" && in_step) check_step(block_line)
    else if (block == "c" || block == "diff") check_piece()
    if (block == "mermaid" && depth != 0) mistake(at, "an end is missing in this diagram")
    if (block_file != "") close(block_file)
    block = block_file = mark = ""
}

function in_block(at, line) {
    if (block_file != "") print line > block_file
    if (block == "diff" && in_step) quoted_step = quoted_step line "\n"
    else if (block == "c" || block == "diff") quoted_line(at, line)
    else if (block == "mermaid") mermaid_line(at, line)
    else if (block == "sh") check_command(at, line)
    else if (block == "console" && line ~ /^\$ /) check_command(at, substr(line, 3))
}

BEGIN {
    own_pool = read_files(sources)
    before_pool = before == "" ? "" : read_files(before)
    usage_pool = own_pool before_pool
    pool = usage_pool read_files(also)
    printf "" > (plan "/plan")
    read_steps()
}

# The first reading: what is defined.
NR == FNR {
    if (/^```/) fenced = !fenced
    else if (fenced) { if (/^```console/ || in_console) transcripts = transcripts "\n" $0 }
    else if (/^#+ /) { title = $0; sub(/^#+ /, "", title); gsub(/`/, "", title); anchors[slug(title)] = 1 }
    else if (/^<!-- elsewhere: .* -->$/) {
        line = $0
        sub(/^<!-- elsewhere: /, "", line)
        sub(/ -->$/, "", line)
        elsewhere = elsewhere ", " line ","
    }
    in_console = /^```console/ || (in_console && !/^```/)
    next
}

# The second: what is said.
/^```/ {
    if (block == "") {
        block = substr($0, 4)
        if (block == "") block = "(unnamed)"
        block_line = FNR
        open_block(FNR)
    } else close_block(FNR)
    next
}
block != "" { in_block(FNR, $0); next }
/^<!-- elsewhere: .* -->$/ { next }
/^<!-- .* -->$/ {
    mark = $0
    sub(/^<!-- /, "", mark)
    sub(/ -->$/, "", mark)
    mark_line = FNR
    if (mark !~ /^(terminal [0-9]|not run: |break |trace$)/) mistake(FNR, "nobody understands this mark: " mark)
    next
}
/^#+ / {
    print "section", FNR > (plan "/plan")
    step = /^### Step [0-9]+: ./ ? $3 + 0 : 0
}
{ if ($0 != "") mark = ""; check_text(FNR, $0) }
END {
    if (block != "") mistake(FNR, "a block is not closed")
    if (last_step < count_of_steps) mistake(FNR, "the steps from " last_step + 1 " on are not quoted")
    close(plan "/plan")
    exit mistakes > 0
}
