# proxy.awk: the proxy that a Go program asks for https://HOST:PORT.
#
# Usage: awk -v host=HOST -v port=PORT -f proxy.awk FILE
#
# FILE holds the program's environment, a variable per line. Prints the proxy without its password, and nothing where
# the program asks for none. Addresses and CIDRs in NO_PROXY cover no name, whatever that resolves to.

function value(variable) {
	return env[variable] != "" ? env[variable] : env[tolower(variable)]
}

{
	at = index($0, "=")
	name = substr($0, 1, at - 1)
	env[name] = substr($0, at + 1)
}

END {
	proxy = value("HTTPS_PROXY")
	if (proxy == "") exit
	count = split(tolower(value("NO_PROXY")), entries, ",")
	for (i = 1; i <= count; i++) {
		entry = entries[i]
		gsub(/^[ \t]+|[ \t]+$/, "", entry)
		if (entry == "*") exit
		if (match(entry, /:[0-9]+$/)) {
			if (substr(entry, RSTART + 1) != port) continue
			entry = substr(entry, 1, RSTART - 1)
		}
		if (entry == "") continue
		sub(/^\*\./, ".", entry)
		if (entry !~ /^\./) entry = "." entry
		else if (entry == "." host) continue
		whole = "." host
		if (length(entry) <= length(whole) && substr(whole, length(whole) - length(entry) + 1) == entry) exit
	}
	scheme = index(proxy, "://") ? substr(proxy, 1, index(proxy, "://") + 2) : ""
	sub(/^.*@/, scheme, proxy)
	print proxy
}
