# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# A registry that this program did not install: what the node itself has for it.

# find_foreign: Sets address, where nobody configured one.
find_foreign() {
	if command -v getent; then
		address=$(getent ahosts "$hostname" | awk 'NR == 1 { print $1 }')
	else
		address=$(awk -v name="$hostname" '{ sub(/#.*/, ""); for (i = 2; i <= NF; i++) if ($i == name) print $1 }' \
			"$root/etc/hosts" | head -n1)
	fi
}

# find_foreign_ca: what containerd has for that registry. Sets named_ca, empty where the system's store has to do.
find_foreign_ca() {
	named_ca=$(sed -n 's/^ *ca = \[*"\([^"]*\)".*/\1/p' "$toml" 2>/dev/null | head -n1)
	system=${bundle:-}
	cat "$root${named_ca:-${system#"$root"}}" >"$work/ca" 2>/dev/null || :
}
