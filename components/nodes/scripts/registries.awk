# registries.awk: K3s's registries.yaml with our entries, or without them.
#
# Usage: awk -v verb=apply -v endpoint=NAME:PORT -v made=LINE -v absent=1 -v open=1 -f registries.awk FILE
#        verb is `remove` to take our entries out; made marks a file of ours; absent is set where there is no file yet,
#        open where its last line has no newline.
#        In the environment: file (the path that a refusal names), mirrors_entry and configs_entry.
#
# Prints the new file. Where a line is not understood for certain, prints FOUND, RULE and REMEDY instead and exits with
# 9.
#
# awk does not parse YAML; this only tells keys from other text. It follows quotes, brackets and block scalars from
# line to line, far enough to be certain where `mirrors:`, `configs:` and the keys below them are.

{ source[NR] = $0 }

END {
	begin_mark = "# BEGIN k3s-registry"
	end_mark = "# END k3s-registry"
	added_mark = " # k3s-registry"
	take_out_ours()
	give_back_keys()
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

# --- 1. our entries go out ------------------------------------------------------------------------------------------

# source[] -> kept[], with the number that each line had in number[].
function take_out_ours(    i, spaces, opened_at, width, keys) {
	for (i = 1; i <= NR; i++) {
		spaces = indentation(source[i])
		if (opened_at) {
			if (content == end_mark) opened_at = 0
			else if (content == begin_mark) refuse_unclosed(opened_at)
			else if (content != "" && (spaces < width || spaces == width && keys++))
				refuse(i, "an entry between our BEGIN and END", "everything there is replaced",
					"move it below END, or put END back where it was")
		} else if (content == begin_mark) {
			opened_at = i
			width = spaces
			keys = 0
		} else if (i == 1 && content == made) {
			whole_file_is_ours = 1
		} else {
			kept[++kept_count] = source[i]
			number[kept_count] = i
		}
	}
	if (opened_at) refuse_unclosed(opened_at)
}

function refuse_unclosed(i) {
	refuse(i, "\"" begin_mark "\" without END", "a block needs both", "remove what is left of it")
}

# kept[] -> line[] and at[]: a key that we added goes too, unless something of the user's stands below it by now.
function give_back_keys(    i, j, text) {
	for (i = 1; i <= kept_count; i++) {
		text = without_return(kept[i])
		if (text == "mirrors:" added_mark || text == "configs:" added_mark) {
			for (j = i + 1; j <= kept_count && without_return(kept[j]) ~ /^ *(#|$)/; j++);
			if (j > kept_count || kept[j] !~ /^ /) continue
			sub(added_mark, "", kept[i])
		}
		line[++lines] = kept[i]
		at[lines] = number[i]
	}
}

# --- 2. where our entries belong -----------------------------------------------------------------------------------

# Sets place[SECTION] to the line of its key, indent[SECTION] to how its entries are indented, and top to the line below
# which a missing section goes.
function find_sections(    i, column_of_line) {
	for (i = 1; i <= lines; i++) {
		number_now = at[i]
		if (without_return(line[i]) ~ /^ *\t/)
			refuse(number_now, "a tab in the indentation", "YAML is indented by spaces", "put spaces in its place")
		column_of_line = indentation(line[i])
		if (content == "" || in_block_scalar(column_of_line)) continue
		if (quote || depth) {
			continue_flow(column_of_line)
			continue
		}
		if (content ~ /^#/ || tail && column_of_line > column) continue
		tail = ""
		if (column_of_line == 0) {
			if (top_line(i)) continue
		} else if (section == "") {
			refuse(number_now, "an indented line before any key", "the first keys must stand at the left margin",
				"remove the indentation")
		} else if (in_ours) {
			entry_line(column_of_line)
		}
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

# A line at the left margin; returns whether nothing of it is left to be scanned.
function top_line(i) {
	limit = 0
	if (content ~ /^(---|\.\.\.)([ \t]|$)/ || content ~ /^%/) {
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
	read_key(content)
	started = section = i
	in_ours = name == "mirrors" || name == "configs"
	if (in_ours) {
		if (name in place) refuse(number_now, "a second \"" name ":\"", "a key may exist once", "join the two")
		if (rest !~ /^ *( #.*)?$/) {
			sub(/^[ \t]+/, "", rest)
			refuse_value(rest, "a value beside \"" name ":\"")
		}
		place[name] = i
		section = name
	}
	return 0
}

# A line below `mirrors:` or `configs:`.
function entry_line(spaces) {
	if (!indent[section]) limit = indent[section] = spaces
	if (spaces < limit)
		refuse(number_now, "a line indented less than the first one below \"" section ":\"",
			"entries of one mapping are indented alike", "correct that line")
	if (spaces == limit) {
		read_key(content)
		if (name == endpoint)
			refuse(number_now, "an entry for " endpoint " that is not marked as ours", "settings of others stay",
				"remove that entry and run pulumi up again")
	}
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
	if (text ~ /[[{]/)
		refuse(number_now, "flow style (brackets or braces)", "our entry needs block style there",
			"write one key per line, indented by spaces")
	if (text ~ /[&*!<]/)
		refuse(number_now, "an anchor, alias, tag or merge key", "its content is not known there",
			"write the entries out")
	refuse(number_now, otherwise, "the file must be a mapping in block style, one plain or quoted key per line",
		"correct that line")
}

# --- 3. the new file -----------------------------------------------------------------------------------------------

function write(    i, j, key, sections, section_names) {
	line_end = lines && line[1] ~ /\r$/ ? "\r" : ""
	sections = split("mirrors configs", section_names, " ")
	for (i = 0; i <= lines; i++) {
		if (i) emit(line[i])
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

function emit_block(key, width,    i, count, parts, pad) {
	pad = sprintf("%" width "s", "")
	emit(pad begin_mark line_end)
	count = split(ENVIRON[key "_entry"], parts, "\n")
	for (i = 1; i <= count; i++) if (parts[i] != "") emit(pad parts[i] line_end)
	emit(pad end_mark line_end)
}
