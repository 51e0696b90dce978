# The proxy that a Go program with this environment asks for https://name:port, without its password; nothing where it
# asks for no proxy. Addresses and CIDRs in NO_PROXY cover no name, whatever that resolves to.

function value(name) {
	return env[name] != "" ? env[name] : env[tolower(name)]
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
