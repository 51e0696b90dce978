# k3s_settings.awk: K3s's configuration as words of its command line, in whatever form of YAML it is.
#
# Usage: awk -f k3s_settings.awk FILE
#
# K3s reads a mapping of flags to values. It may be in block style, indented or not, or in flow style, of which JSON is
# a part. Prints `--flag` and its value, a word per line; a list as a whole as its words. Values that are mappings or
# lists are left out. Prints `?` for a line that this program does not understand.

{ sub(/\r$/, "") }

NR == 1 { sub(/^\357\273\277/, "") }

flow != "" {
	flow = flow "\n" $0
	next
}

/^(---|\.\.\.)([ \t]|$)/ {
	# K3s reads the first document alone.
	if (base != "") exit
	sub(/^.../, "")
}

/^[ \t]*(#.*)?$/ || /^%/ { next }

base == "" && /^[ \t]*[{[]/ {
	flow = $0
	next
}

{
	match($0, /^ */)
	column = RLENGTH
	if (base == "") base = column
	if (column > base || /^ *(-([ \t]|$)|[]}])/) {
		# The value of the key above it: a single one may be on a line of its own.
		if (pending != "" && !/^ *-([ \t]|$)/ && !/:([ \t]|$)/) print_setting(pending, $0)
		else refuse(name)
		pending = ""
		next
	}
	if (column < base || !match($0, /^ *("[^"]*"|\047[^\047]*\047|[^] "\047:#{}[,&*!|>%@`-][^:]*)[ \t]*:([ \t]|$)/)) {
		print "?"
		next
	}
	rest = substr($0, RLENGTH + 1)
	name = substr($0, 1, RLENGTH)
	sub(/[ \t]*:[ \t]?$/, "", name)
	name = as_flag(scalar(name))
	pending = rest ~ /^[ \t]*(#.*)?$/ ? name : ""
	if (pending == "") print_setting(name, rest)
}

END { if (flow != "") read_flow(flow) }

# Prints `?` for a key that may be another one. A plus sign after a key adds to the values of the files before.
function as_flag(key) {
	if (escaped || key == "<<" || key ~ /\n/) print "?"
	escaped = ""
	sub(/\+$/, "", key)
	return key
}

function print_setting(key, text) {
	sub(/^[ \t]+/, "", text)
	if (text ~ /^[{[|>]/) refuse(key)
	else print_value(key, scalar(text))
}

function print_value(key, value) {
	if (escaped || value ~ /\n/) refuse(key)
	else if (value != "") print "--" key "\n" value
	escaped = ""
}

# A value that is no string: `?` where it matters.
function refuse(key) {
	if (key ~ /^(data-dir|d|private-registry|docker|container-runtime-endpoint|node-name)$/) print "?"
}

# The value without quotes, tag, anchor and comment; empty where it is null.
function scalar(text,    mark) {
	sub(/^[ \t\n]+/, "", text)
	if (text ~ /^!/ && text !~ /^!!str[ \t]/) escaped = 1
	sub(/^![^ \t]*[ \t]+/, "", text)
	if (match(text, /^&[^ \t]+[ \t]+/)) {
		mark = substr(text, 2, RLENGTH - 1)
		sub(/[ \t]+$/, "", mark)
		return anchor[mark] = scalar(substr(text, RLENGTH + 1))
	}
	if (text ~ /^["\047]/) {
		read_quoted(text, 1)
		return part
	}
	sub(/(^|[ \t]+)#.*/, "", text)
	sub(/[ \t\n]+$/, "", text)
	if (text ~ /^[|>]/) escaped = 1
	if (text ~ /^\*/) return anchor[substr(text, 2)]
	return text ~ /^(~|null|Null|NULL)$/ ? "" : text
}

# Sets part to the string that is quoted from there on, and escaped where it is not certain. Returns where it ends.
function read_quoted(text, i,    quote, c) {
	quote = substr(text, i, 1)
	part = ""
	while (i < length(text)) {
		c = substr(text, ++i, 1)
		if (c == quote) {
			if (quote == "\"" || substr(text, i + 1, 1) != quote) return i
			i++
		} else if (c == "\\" && quote == "\"") {
			c = substr(text, ++i, 1)
			if (c == "u" && match(substr(text, i, 5), /^u00(26|3[cCeE])/)) {
				c = substr(text, i + 4, 1)
				c = c == "6" ? "&" : c ~ /[cC]/ ? "<" : ">"
				i += 4
			} else if (c ~ /[A-Za-z0-9_]/) escaped = 1
		}
		part = part c
	}
	print "?"
	return i
}

function read_flow(text,    i, c, depth, item, quoted, key, nested, outer) {
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c ~ /["\047]/ && item ~ /^[ \t\n]*$/ && !quoted) {
			i = read_quoted(text, i)
			if (depth == 1) {
				item = part
				quoted = 1
			}
		} else if (c == "#" && substr(text, i - 1, 1) ~ /[ \t\n]/) {
			while (i < length(text) && substr(text, i + 1, 1) != "\n") i++
		} else if (c ~ /[{[]/) {
			if (++depth == 1) outer = c
			else nested = 1
		} else if (depth == 1 && c ~ /[]},]/) {
			if (!quoted) item = scalar(item)
			if (outer == "[") print_word(item)
			else if (nested) refuse(key)
			else print_value(key, item)
			key = item = nested = quoted = escaped = ""
			if (c != ",") return
		} else if (c ~ /[]}]/) depth--
		else if (depth == 1 && outer == "{" && c == ":" && key == "" &&
			(quoted || substr(text, i + 1, 1) ~ /[ \t\n]/)) {
			key = as_flag(quoted ? item : scalar(item))
			item = quoted = ""
		} else if (depth == 1 && !quoted) item = item c
	}
	print "?"
}

function print_word(word) {
	if (word == "") return
	if (sub(/^--?/, "--", word)) sub(/=/, "\n", word)
	print word
}
