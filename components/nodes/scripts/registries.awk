# registries.awk: K3s's registries.yaml with our entries, or without them.
#
# Usage: awk -v verb=apply -v endpoints='NAME:PORT ...' -v made=LINE -v absent=1 -v open=1 \
#            -v take_over=1 "$registries_awk$registries_ours_awk$yaml_scan_awk" FILE
#        verb is `remove` to take our entries out; made marks a file of ours; absent is set where there is no file yet,
#        open where its last line has no newline; take_over where others' entries for our registry are set aside.
#        In the environment: file (the path that a refusal names), mirrors_entry and configs_entry.
#
# Prints the new file. Where a line is not understood for certain, prints FOUND, RULE and REMEDY instead and exits with
# 9.
#
# A line of the user's that cannot stay beside our entries, such as `configs: {}`, becomes a comment behind aside_mark,
# and comes back with the removal of our entries. An entry for our registry does so once it has been taken over.
#
# awk does not parse YAML; this only tells keys from other text. It follows quotes, brackets and block scalars from
# line to line, far enough to be certain where `mirrors:`, `configs:` and the keys below them are.

{ source[NR] = $0 }

END {
	begin_mark = "# BEGIN k3s-registry"
	end_mark = "# END k3s-registry"
	added_mark = " # k3s-registry"
	aside_mark = "# set aside by k3s-registry: "
	host = endpoints
	sub(/:[0-9]+( .*)?$/, "", host)
	take_out_ours()
	give_back_lines()
	if (verb != "remove") find_sections()
	write()
}

function refuse(line_number, found, rule, remedy) {
	print "found " found " in line " line_number " of " ENVIRON["file"]
	print rule
	print remedy
	exit 9
}

function without_return(text) {
	sub(/\r$/, "", text)
	return text
}

# Splits a line into its indentation, returned as a number of spaces, and the rest, which is left in content.
function indentation(text,    spaces) {
	text = without_return(text)
	match(text, /^ */)
	spaces = RLENGTH
	content = substr(text, spaces + 1)
	return spaces
}

# --- where our entries belong --------------------------------------------------------------------------------------

# Sets place[SECTION] to the line of its key, indent[SECTION] to how its entries are indented, top to the line below
# which a missing section goes, and aside[LINE] for each line that has to become a comment.
function find_sections(    i, column_of_line) {
	for (i = 1; i <= lines; i++) {
		number_now = at[i]
		if (without_return(line[i]) ~ /^ *\t/)
			refuse(number_now, "a tab in the indentation", "YAML is indented by spaces", "put spaces in its place")
		column_of_line = indentation(line[i])
		if (content == "") continue
		if (in_block_scalar(column_of_line)) {
			follow(i)
			continue
		}
		if (quote || depth) {
			follow(i)
			continue_flow(column_of_line)
			continue
		}
		if (content ~ /^#/) continue
		if (tail && column_of_line > column) {
			follow(i)
			continue
		}
		tail = ""
		if (column_of_line == 0 || ended) {
			if (top_line(i)) continue
		} else if (section == "") {
			refuse(number_now, "an indented line before any key", "the first keys must stand at the left margin",
				"remove the indentation")
		} else if (in_ours && entry_line(i, column_of_line)) {
			continue
		}
		follow(i)
		scan(content, column_of_line)
	}
	if (quote || depth)
		refuse(opened, "quotes or brackets that are never closed", "keys below them cannot be told from text",
			"close them")
}

function in_block_scalar(spaces) {
	if (scalar == "") return 0
	if (!body && spaces > scalar) body = spaces
	if (body && spaces >= body) return 1
	scalar = ""
	return 0
}

# A line within quotes or brackets that were opened above it.
function continue_flow(spaces) {
	if (!quote && content ~ /^#/) return
	if (spaces <= limit)
		refuse(number_now, "a continuation of the quotes or brackets opened in line " opened,
			"it must be indented deeper than its key to be told apart from keys",
			"indent it, or write it all on one line")
	scan(content, spaces)
}

# YAML's ways to write an empty mapping or nothing at all.
function is_empty_value(text) {
	return text ~ /^(\{[ \t]*\}|~|null|Null|NULL)([ \t]+#.*|[ \t]*)$/
}

# A line at the left margin; returns whether nothing of it is left to be scanned.
function top_line(i) {
	limit = taking = 0
	# The end of the document, after which nothing may come.
	if (started && !ended && content ~ /^\.\.\.[ \t]*$/) return ended = 1
	if (ended || content ~ /^(---|\.\.\.)([ \t]|$)/ || content ~ /^%/) {
		if (content !~ /^--- *$/ && content !~ /^--- +#/ || started)
			refuse(number_now, "the mark of another document, or a directive,", "the file must be one document",
				"keep one and remove that line")
		started = top = i
		return 1
	}
	if (section != "" && !in_ours && content ~ /^-([ \t]|$)/) {
		scan(content, 0)
		return 1
	}
	if (section == "" && is_empty_value(content)) {
		started = section = in_ours = whole_is_empty = 1
		return set_aside(i)
	}
	if (whole_is_empty) refuse_below_empty()
	emptied = 0
	read_key(content)
	started = section = i
	in_ours = name == "mirrors" || name == "configs"
	if (in_ours) {
		if (name in seen) refuse(number_now, "a second \"" name ":\"", "a key may exist once", "join the two")
		seen[name] = 1
		section = name
		sub(/^[ \t]+/, "", rest)
		if (is_empty_value(rest)) return set_aside(i)
		if (rest !~ /^(#.*)?$/) refuse_value(rest, "a value beside \"" name ":\"")
		place[name] = i
	}
	return 0
}

function refuse_below_empty() {
	refuse(number_now, "a line below an empty value", "the value ends before it", "remove that value or the line")
}

# A line below `mirrors:` or `configs:`; returns whether nothing of it is left to be scanned.
function entry_line(i, spaces) {
	if (emptied) refuse_below_empty()
	if (!indent[section] && is_empty_value(content)) {
		aside[place[section]] = 1
		delete place[section]
		return set_aside(i)
	}
	if (!indent[section]) limit = indent[section] = spaces
	if (spaces < limit)
		refuse(number_now, "a line indented less than the first one below \"" section ":\"",
			"entries of one mapping are indented alike", "correct that line")
	if (spaces == limit) {
		read_key(content)
		# The guide's entry below `configs:` has no port.
		taking = (is_ours(name) || section == "configs" && name == host) && (take_over || restored[i])
		if (is_ours(name) && !taking)
			refuse(number_now, "an entry for " name " that is not marked as ours", "settings of others stay",
				"set takeOver: true for one pulumi up, or remove that entry and run pulumi up again")
	}
	return 0
}

# Sets name and rest for a line that begins with a key.
function read_key(text) {
	if (match(text, /^"[^"\\]*"[ \t]*:/) || match(text, /^\047[^\047]*\047[ \t]*:/)) {
		name = substr(text, 2, index(substr(text, 2), substr(text, 1, 1)) - 1)
	} else if (text !~ /^[]\[{},:?&*!|>%@`"\047<#-]/ && match(text, /:([ \t]|$)/)) {
		name = substr(text, 1, RSTART - 1)
		RLENGTH = RSTART
		sub(/[ \t]+$/, "", name)
	} else {
		refuse_value(text, "something other than a key")
	}
	rest = substr(text, RLENGTH + 1)
	if (rest !~ /^([ \t]|$)/ || name ~ /[ \t]#/ || name == "<<") refuse_value("", "something other than a key")
}

# Refuses text that is in the place of a key, or of nothing.
function refuse_value(text, otherwise) {
	text = substr(text, 1, 1)
	if (text == "{" && section == "")
		refuse(number_now, "JSON", "our entry needs YAML in block style",
			"have the program that writes this file write one key per line, indented by spaces")
	if (text ~ /[[{]/)
		refuse(number_now, "flow style (brackets or braces)", "our entry needs block style there",
			"write one key per line, indented by spaces")
	if (text ~ /[&*!<]/)
		refuse(number_now, "an anchor, alias, tag or merge key", "its content is not known there",
			"write the entries out")
	refuse(number_now, otherwise, "the file must be a mapping in block style, one plain or quoted key per line",
		"correct that line")
}

# --- the new file --------------------------------------------------------------------------------------------------

function write(    i, j, key, sections, section_names) {
	line_end = lines && line[1] ~ /\r$/ ? "\r" : ""
	sections = split("mirrors configs", section_names, " ")
	for (i = 0; i <= lines; i++) {
		if (i) emit((aside[i] ? aside_mark : "") line[i])
		if (verb == "remove") continue
		if (i == top + 0 && !lines && (absent || whole_file_is_ours)) emit(made)
		for (j = 1; j <= sections; j++) {
			key = section_names[j]
			if (i == top + 0 && !(key in place)) {
				emit(key ":" added_mark line_end)
				emit_block(key, 2)
			}
			if ((key in place) && i == place[key]) emit_block(key, indent[key] ? indent[key] : 2)
		}
	}
	if (separator && !(open && lines)) print ""
}

function emit(text) {
	printf "%s%s", separator, text
	separator = "\n"
}

# A block per entry.
function emit_block(key, width,    i, parts, pad) {
	pad = sprintf("%" width "s", "")
	split(ENVIRON[key "_entry"], parts, "\n")
	while (parts[++i] != "") {
		if (parts[i] ~ /^"/) emit(pad begin_mark line_end)
		emit(pad parts[i] line_end)
		if (parts[i + 1] !~ /^ /) emit(pad end_mark line_end)
	}
}
