# utf8.awk: refuses a file that is not UTF-8, or whose lines K3s's YAML parser would not tell apart as awk does.
#
# Usage: od -An -v -tu1 FILE | file=PATH awk -f utf8.awk
#        PATH is the file's name in a refusal.
#
# Prints nothing, or FOUND, RULE and REMEDY and exits with 9. It reads bytes as numbers, since awks differ in what they
# make of such bytes. To YAML, NEL, LS and PS end a line too.

BEGIN {
	line = 1
	lowest = 128
	highest = 191
}

{ for (i = 1; i <= NF; i++) read_byte($i + 0) }

END { if (!refused && bytes_missing) refuse("a byte that is not UTF-8") }

# Sets character, once its last byte has been read.
function read_byte(byte) {
	if (bytes_missing) {
		if (byte < lowest || byte > highest) refuse("a byte that is not UTF-8")
		character = character * 64 + byte - 128
		bytes_missing--
		lowest = 128
		highest = 191
	} else if (byte < 128) {
		character = byte
	} else if (byte >= 194 && byte <= 223) {
		character = byte - 192
		bytes_missing = 1
	} else if (byte >= 224 && byte <= 239) {
		character = byte - 224
		bytes_missing = 2
		if (byte == 224) lowest = 160
		if (byte == 237) highest = 159
	} else if (byte >= 240 && byte <= 244) {
		character = byte - 240
		bytes_missing = 3
		if (byte == 240) lowest = 144
		if (byte == 244) highest = 143
	} else {
		refuse("a byte that is not UTF-8")
	}
	if (!bytes_missing) read_character()
}

function read_character() {
	if (before == 13 && character != 10 || is_forbidden(character)) refuse("a control character or byte order mark")
	if (character == 10) line++
	before = character
}

function is_forbidden(c) {
	if (c < 32) return c != 9 && c != 10 && c != 13
	return c >= 127 && c <= 159 || c == 8232 || c == 8233 || c == 65279 || c == 65534 || c == 65535
}

function refuse(found) {
	print "found " found " in line " line " of " ENVIRON["file"]
	print "it must be UTF-8 text"
	print "take that out of the line"
	refused = 1
	exit 9
}
