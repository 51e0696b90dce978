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
	env[substr($0, 1, at - 1)] = substr($0, at + 1)
}

END {
	proxy = value("HTTPS_PROXY")
	if (proxy == "") exit
	count = split(tolower(value("NO_PROXY")), entries, ",")
	for (i = 1; i <= count; i++) {
		entry = entries[i]
		gsub(/^[ \t]+|[ \t]+$/, "", entry)
		if (entry == "*") exit
		sub(":" port "$", "", entry)
		if (entry == host) exit
		sub(/^\*\./, ".", entry)
		if (entry !~ /^\./) entry = "." entry
		if (substr(host, length(host) - length(entry) + 1) == entry) exit
	}
	scheme = index(proxy, "://") ? substr(proxy, 1, index(proxy, "://") + 2) : ""
	sub(/^.*@/, scheme, proxy)
	print proxy
}
