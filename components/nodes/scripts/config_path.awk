# config_path.awk: the directory in which containerd looks for hosts.toml files, by its configuration.
#
# Usage: cat FILE... | awk -f config_path.awk
#
# Prints the last one that is set, or an empty line.

/^[ \t]*\[/ { elsewhere = !/registry/ }

/^[ \t]*config_path/ && !elsewhere && match($0, /=[ \t]*["\047]/) {
	value = substr($0, RSTART + RLENGTH)
	sub(/["\047:].*/, "", value)
	if (value != "") path = value
}

END { print path }
