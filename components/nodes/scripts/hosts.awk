# hosts.awk: a hosts file with our block, at its old place or at the end; or without it.
#
# Usage: awk -v entry=LINE -v open=1 -v take_over=1 -f hosts.awk FILE
#        entry is the block's line, empty to remove the block; open is set where FILE's last line has no newline,
#        take_over where lines of others that hold nothing but our names become comments.
#
# Every other byte stays. A newline added at the end of the file is noted in BEGIN, so that removal can take it out.
# Exits with 1 where a block has no END.

BEGIN {
	begin_mark = "# BEGIN k3s-registry"
	end_mark = "# END k3s-registry"
	newline_note = ", newline added"
	aside_mark = "# set aside by k3s-registry: "
}

$0 == begin_mark || $0 == begin_mark newline_note {
	inside = 1
	newline_added = substr($0, length(begin_mark) + 1)
	emit_block()
	next
}

inside {
	if ($0 == end_mark) {
		inside = 0
		block_was_last = 1
	}
	next
}

index($0, aside_mark) == 1 {
	emit(entry == "" ? substr($0, length(aside_mark) + 1) : $0)
	block_was_last = 0
	next
}

{
	emit((take_over && entry != "" && has_only_our_names($0) ? aside_mark : "") $0)
	block_was_last = 0
}

END {
	if (inside) exit 1
	if (block_was_last && entry == "") open = newline_added != ""
	if (!block_done && entry != "") {
		newline_added = open ? newline_note : ""
		emit_block()
		open = 0
	}
	if (separator && !open) print ""
}

function has_only_our_names(text,    i, count, word) {
	sub(/#.*/, "", text)
	sub(/\r$/, "", text)
	count = split(text, word)
	for (i = 2; i <= count; i++) if (!index(" " tolower(entry) " ", " " tolower(word[i]) " ")) return 0
	return count > 1
}

function emit(text) {
	printf "%s%s", separator, text
	separator = "\n"
}

function emit_block() {
	if (entry != "" && !block_done) {
		emit(begin_mark newline_added)
		emit(entry)
		emit(end_mark)
	}
	block_done = 1
}
