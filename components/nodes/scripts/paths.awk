# paths.awk: every absolute path that a text may name, whatever the syntax around it.
#
# Usage: awk -f paths.awk FILE
#
# Prints a path per line: once up to the next quotation mark, carriage return, equals sign, colon or comma, and once up
# to the next space.

{
	# JSON may escape slashes.
	gsub(/\\\//, "/")
	parts = split($0, part, /["\047=:,\r]/)
	for (i = 1; i <= parts; i++) {
		if (!sub(/^[^\/]*/, "", part[i]) || part[i] == "") continue
		print part[i]
		words = split(part[i], word)
		for (j = 1; j <= words; j++) print word[j]
	}
}
