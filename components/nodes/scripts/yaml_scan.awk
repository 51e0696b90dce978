# yaml_scan.awk: the part of registries.awk that reads a line's text.
#
# Usage: awk ... "$registries_awk$yaml_scan_awk" FILE

# Follows quotes, brackets and block scalars through a line, to know on the next ones whether they are structure.
function scan(text, from_column,    taken) {
	while (1) {
		if (quote) {
			if (quote == "\"") match(text, /^([^"\\]|\\.)*"/)
			else match(text, /^([^\047]|\047\047)*\047/)
			if ((taken = RLENGTH) < 0) return
			quote = tail = ""
			if (!depth && substr(text, taken + 1) ~ /^[ \t]*:([ \t]|$)/) column = quoted_from
		} else if (match(text, /^[ \t]+/)) {
			taken = RLENGTH
		} else if (text == "" || text ~ /^#/) {
			return
		} else {
			taken = 1
			if (!tail && text ~ /^["\047]/) {
				quote = substr(text, 1, 1)
				quoted_from = from_column
				opened = number_now
			} else if (text ~ /^[[{]/) {
				depth++
				opened = number_now
				tail = ""
			} else if (depth && text ~ /^[]}]/) {
				depth--
				tail = ""
			} else if (depth && text ~ /^[:,]/ || text ~ /^:([ \t]|$)/) {
				tail = ""
			} else if (!depth && text ~ /^[-?]([ \t]|$)/) {
				column = from_column
			} else if (!tail && match(text, /^[&*!][^] \t,}]*/)) {
				taken = RLENGTH
			} else if (!depth && !tail && text ~ /^[|>]/) {
				scalar = column
				body = match(text, /^[|>][-+]?[1-9]/) ? column + substr(text, RLENGTH, 1) : 0
				return
			} else {
				if (depth) match(text, /^([^][{},: \t]|:+[^][{},: \t]|[ \t]+[^][{},: \t#]|[ \t]+:+[^][{},: \t])+/)
				else match(text, /^([^: \t]|:+[^: \t]|[ \t]+[^: \t#]|[ \t]+:+[^: \t])+/)
				if (RLENGTH > 1) taken = RLENGTH
				tail = 1
				if (!depth && substr(text, taken + 1) ~ /^[ \t]*:+([ \t]|$)/) column = from_column
			}
		}
		text = substr(text, taken + 1)
		from_column += taken
	}
}
