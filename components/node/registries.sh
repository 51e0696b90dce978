# shellcheck shell=sh disable=SC2034,SC2154  # joined with the other parts
# K3s's registries.yaml, which is the user's: our entries stand in it as marked blocks, first below `mirrors:` and `configs:`.
# Taking out what is marked gives back the former bytes, whatever they were. A key or a file that had to be added is marked
# too, and becomes the user's once something of the user's stands below it.
#
# A block goes in only where the lines around it are understood for certain; anything else is refused before a byte of the
# node has changed.

yaml=$root$registries
# What is ours is not told apart by the registry's name: a stack that changes it must find what it left under the old one.
former=''
[ ! -e "$yaml" ] || former=$(sed -n '/^ *# BEGIN k3s-registry/{n;s/^ *"\(.*\)":.*/\1/p;}' "$yaml" | tail -n1)
registry_file_marker='# Made by k3s-registry'

# readable: FILE is UTF-8 with lines that K3s's parser tells apart as awk does (to YAML, NEL, LS and PS end a line too).
# By numbers: awks differ in what they make of such bytes.
readable() {
	od -An -v -tu1 "$1" | registries=$registries awk '
function fault(what) {
printf "found %s in line %d of %s; it must be UTF-8 text; take that out of the line\n", what, line, ENVIRON["registries"]
failed = 1
exit 9
}
BEGIN { line = 1; low = 128; high = 191 }
{ for (i = 1; i <= NF; i++) {
b = $i
if (more) {
if (b < low || b > high) fault("a byte that is not UTF-8")
v = v * 64 + b - 128; more--; low = 128; high = 191
}
else if (b < 128) v = b
else if (b >= 194 && b <= 223) { v = b - 192; more = 1 }
else if (b >= 224 && b <= 239) { v = b - 224; more = 2; if (b == 224) low = 160; if (b == 237) high = 159 }
else if (b >= 240 && b <= 244) { v = b - 240; more = 3; if (b == 240) low = 144; if (b == 244) high = 143 }
else fault("a byte that is not UTF-8")
if (more) continue
if (last == 13 && v != 10 || v < 32 && v != 9 && v != 10 && v != 13 || v >= 127 && v <= 159 || v == 8232 || v == 8233 || v == 65279 || v == 65534 || v == 65535) fault("a control character or byte order mark")
if (v == 10) line++
last = v
} }
END { if (!failed && more) fault("a byte that is not UTF-8") }'
}

# merged VERB: registries.yaml without what is ours, and with it again unless VERB is `remove`; or, with status 9,
# the reason why not.
merged() {
	from=$yaml absent='' open=''
	[ -e "$yaml" ] || from=/dev/null absent=1
	[ "$1" = remove ] || readable "$from" || return
	[ -z "$(tail -c1 "$from")" ] || open=1
	registries=$registries mirrors_entry=$mirrors_entry configs_entry=$configs_entry awk -v verb="$1" -v made="$registry_file_marker" \
		-v absent="$absent" -v open="$open" -v host="$registry" '
function fault(place, what, rule) {
print "found " what " in line " place " of " ENVIRON["registries"] "; " rule
exit 9
}

function plain(s) {
sub(/\r$/, "", s)
return s
}

function out(s) {
printf "%s%s", separator, s
separator = "\n"
}

function block(entry, width,    k, parts, pad) {
pad = sprintf("%" width "s", "")
out(pad begin cr)
width = split(ENVIRON[entry "_entry"], parts, "\n")
for (k = 1; k <= width; k++) if (parts[k] != "") out(pad parts[k] cr)
out(pad end cr)
}

# What stands where a key or nothing should.
function unknown(text, else_what) {
text = substr(text, 1, 1)
if (text ~ /[[{]/) fault(at[i], "flow style (brackets or braces)", "our entry needs block style there; write one key a line, indented by blanks")
if (text ~ /[&*!<]/) fault(at[i], "an anchor, alias, tag or merge key", "what it brings cannot be told there; write the entries out")
fault(at[i], else_what, "the file must be a mapping in block style, one plain or quoted key a line; correct that line")
}

# Sets name and rest for a line that begins with a key.
function key(text) {
if (match(text, /^"[^"\\]*"[ \t]*:/) || match(text, /^\047[^\047]*\047[ \t]*:/)) {
name = substr(text, 2, index(substr(text, 2), substr(text, 1, 1)) - 1)
} else if (text !~ /^[]\[{},:?&*!|>%@`"\047<#-]/ && match(text, /:([ \t]|$)/)) {
name = substr(text, 1, RSTART - 1)
RLENGTH = RSTART
sub(/[ \t]+$/, "", name)
} else unknown(text, "something other than a key")
rest = substr(text, RLENGTH + 1)
if (rest !~ /^([ \t]|$)/ || name ~ /[ \t]#/ || name == "<<") unknown("", "something other than a key")
}

# Follows quotes, brackets and block scalars through a line, to know on the next ones whether they are structure.
function scan(s, c,    k) {
while (1) {
if (quote) {
if (quote == "\"") match(s, /^([^"\\]|\\.)*"/)
else match(s, /^([^\047]|\047\047)*\047/)
if ((k = RLENGTH) < 0) return
quote = tail = ""
if (!depth && substr(s, k + 1) ~ /^[ \t]*:([ \t]|$)/) column = from
}
else if (match(s, /^[ \t]+/)) k = RLENGTH
else if (s == "" || s ~ /^#/) return
else {
k = 1
if (!tail && s ~ /^["\047]/) { quote = substr(s, 1, 1); from = c; opened = at[i] }
else if (s ~ /^[[{]/) { depth++; opened = at[i]; tail = "" }
else if (depth && s ~ /^[]}]/) { depth--; tail = "" }
else if (depth && s ~ /^[:,]/ || s ~ /^:([ \t]|$)/) tail = ""
else if (!depth && s ~ /^[-?]([ \t]|$)/) column = c
else if (!tail && match(s, /^[&*!][^] \t,}]*/)) k = RLENGTH
else if (!depth && !tail && s ~ /^[|>]/) {
scalar = column
body = match(s, /^[|>][-+]?[1-9]/) ? column + substr(s, RLENGTH, 1) : 0
return
}
else {
if (depth) match(s, /^([^][{},: \t]|:+[^][{},: \t]|[ \t]+[^][{},: \t#]|[ \t]+:+[^][{},: \t])+/)
else match(s, /^([^: \t]|:+[^: \t]|[ \t]+[^: \t#]|[ \t]+:+[^: \t])+/)
if (RLENGTH > 1) k = RLENGTH
tail = 1
if (!depth && substr(s, k + 1) ~ /^[ \t]*:+([ \t]|$)/) column = c
}
}
s = substr(s, k + 1)
c += k
}
}

{ raw[NR] = $0 }

END {
begin = "# BEGIN k3s-registry"; end = "# END k3s-registry"; added = " # k3s-registry"
for (i = 1; i <= NR; i++) {
s = plain(raw[i])
match(s, /^ */)
c = RLENGTH
s = substr(s, c + 1)
if (inside) {
if (s == end) inside = 0
else if (s == begin) fault(inside, "\"" begin "\" without END", "a block needs both; remove what is left of it")
else if (s != "" && (c < width || c == width && keys++)) fault(i, "an entry between our BEGIN and END", "what stands there is replaced; move it below END, or put END back where it was")
}
else if (s == begin) { inside = i; width = c; keys = 0 }
else if (i == 1 && s == made) whole = 1
else { kept[++m] = raw[i]; number[m] = i }
}
if (inside) fault(inside, "\"" begin "\" without END", "a block needs both; remove what is left of it")
for (i = 1; i <= m; i++) {
s = plain(kept[i])
if (s == "mirrors:" added || s == "configs:" added) {
for (j = i + 1; j <= m && plain(kept[j]) ~ /^ *(#|$)/; j++);
if (j > m || kept[j] !~ /^ /) continue
sub(added, "", kept[i])
}
line[++n] = kept[i]; at[n] = number[i]
}

for (i = 1; i <= n && verb != "remove"; i++) {
s = plain(line[i])
if (s ~ /^ *\t/) fault(at[i], "a tab in the indentation", "YAML is indented by blanks; put blanks in its place")
match(s, /^ */)
c = RLENGTH
s = substr(s, c + 1)
if (s == "") continue
if (scalar != "") {
if (!body && c > scalar) body = c
if (body && c >= body) continue
scalar = ""
}
if (quote || depth) {
if (!quote && s ~ /^#/) continue
if (c <= limit) fault(at[i], "what belongs to the quotes or brackets opened in line " opened, "it must be indented deeper than its key to be told apart from keys; indent it, or write it all on one line")
scan(s, c)
continue
}
if (s ~ /^#/ || tail && c > column) continue
tail = ""
if (c == 0) {
limit = 0
if (s ~ /^(---|\.\.\.)([ \t]|$)/ || s ~ /^%/) {
if (s !~ /^--- *$/ && s !~ /^--- +#/ || started) fault(at[i], "the mark of another document, or a directive,", "the file must be one document; keep one and remove that line")
started = top = i
continue
}
if (section != "" && !ours && s ~ /^-([ \t]|$)/) { scan(s, c); continue }
key(s)
started = section = i
if (ours = name == "mirrors" || name == "configs") {
if (name in place) fault(at[i], "a second \"" name ":\"", "a key may stand once; join the two")
if (rest !~ /^ *( #.*)?$/) { sub(/^[ \t]+/, "", rest); unknown(rest, "a value beside \"" name ":\"") }
place[name] = i
section = name
}
}
else if (section == "") fault(at[i], "an indented line before any key", "the first keys must stand at the left margin; take the indentation away")
else if (ours) {
if (!indent[section]) limit = indent[section] = c
if (c < limit) fault(at[i], "a line indented less than the first one below \"" section ":\"", "entries of one mapping are indented alike; correct that line")
if (c == limit) {
key(s)
if (name == host) fault(at[i], "an entry for " host " that is not marked as ours", "settings of others stay; remove that entry and run pulumi up again")
}
}
scan(s, c)
}
if (quote || depth) fault(opened, "quotes or brackets that are never closed", "what follows cannot be told from text; close them")

cr = n && line[1] ~ /\r$/ ? "\r" : ""
names = split("mirrors configs", name_of, " ")
for (i = 0; i <= n; i++) {
if (i) out(line[i])
if (verb == "remove") continue
if (i == top + 0 && !n && (absent || whole)) out(made)
for (j = 1; j <= names; j++) {
s = name_of[j]
if (i == top + 0 && !(s in place)) { out(s ":" added cr); block(s, 2) }
if ((s in place) && i == place[s]) block(s, indent[s] ? indent[s] : 2)
}
}
if (separator && !(open && n)) print ""
}' "$from"
}

# Leaves in $work/registries what is to be written, or the reason why it is refused. Any other failure ends the run: half a
# file, which may hold passwords, is no reason to print. Written by cat, because busybox' awk ends well on a full disk.
registries_wanted() {
	if [ "$verb" = remove ] && ! grep -qs 'k3s-registry' "$yaml"; then
		[ ! -e "$yaml" ] || cp "$yaml" "$work/registries"
		return
	fi
	{
		merged=0
		merged "$verb" || merged=$?
		echo $merged >"$work/merged"
	} | cat >"$work/registries" || exit 1
	read -r merged <"$work/merged" || exit 1
	[ "$merged" = 0 ] || [ "$merged" = 9 ] || exit 1
	return "$merged"
}

registries_put() {
	cp "$work/registries" "$work/new"
	put registries "$yaml"
}

registries_gone() {
	# What a killed run left.
	rm -f "$yaml.k3s-registry"
	if [ ! -e "$yaml" ]; then
		return
	elif [ ! -s "$work/registries" ] && ours "$yaml" "$registry_file_marker"; then
		gone registries "$yaml" "$registry_file_marker"
	else
		registries_put
	fi
}
