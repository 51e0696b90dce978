# registries_ours.awk: the part of registries.awk that removes what is ours, and sets aside or returns what is not.
#
# Usage: awk ... "$registries_awk$registries_ours_awk$yaml_scan_awk" FILE

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

# kept[] -> line[] and at[]: a key that we added goes too, and what we set aside comes back; unless the user has put
# something of his own in that place by now.
function give_back_lines(    i, text, dropped) {
	for (i = 1; i <= kept_count; i++) {
		text = without_return(kept[i])
		if (index(text, aside_mark) == 1) {
			text = substr(text, length(aside_mark) + 1)
			if (text !~ /^ /) dropped = is_replaced(text)
			if (dropped) continue
			kept[i] = substr(kept[i], length(aside_mark) + 1)
			restored[lines + 1] = 1
		} else if (text !~ /^ *(#|$)/) {
			dropped = 0
			if (is_added(text) && !has_content(i)) continue
			if (is_added(text)) sub(added_mark, "", kept[i])
		}
		line[++lines] = kept[i]
		at[lines] = number[i]
	}
}

function is_added(text) {
	return text == "mirrors:" added_mark || text == "configs:" added_mark
}

# Whether something of the user's is below the key in line i.
function has_content(i) {
	do i++
	while (i <= kept_count && without_return(kept[i]) ~ /^ *(#|$)/)
	return i <= kept_count && kept[i] ~ /^ /
}

# Whether the file has got another section of that key, or any key instead of nothing at all.
function is_replaced(text,    i, key) {
	key = match(text, /mirrors|configs/) ? substr(text, 1, RSTART + 6) : ""
	gsub(/["\047]/, "", key)
	for (i = 1; i <= kept_count; i++) {
		text = without_return(kept[i])
		if (text ~ /^([ #]|---|\.\.\.|$)/ || is_added(text) && !has_content(i)) continue
		gsub(/["\047]/, "", text)
		if (substr(text, 1, length(key)) == key) return 1
	}
	return 0
}

# The line holds an empty value, below which nothing may follow in its section.
function set_aside(i) {
	aside[i] = emptied = 1
	return 1
}

# The line is part of an entry: it becomes a comment with the entry's key.
function follow(i) {
	if (!taking || content ~ /^#/) return
	if (content ~ /[ \t]&/) refuse_value("&")
	aside[i] = 1
}

# Whether images may begin with that name.
function is_ours(key) {
	return index(" " endpoints " ", " " key " ")
}
