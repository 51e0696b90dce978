# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# The files of a node, and what becomes of one: replaced by rename, so that a crash leaves it wholly old or wholly new.

note() {
	case $what in
	*"\"$1\""*) ;;
	*) what="$what,\"$1\"" ;;
	esac
}

# Folders that this script made carry a marker, so that only those are removed again.
folder() {
	[ -d "$1" ] || {
		folder "${1%/*}"
		case $1 in
		*/certs.d*) mkdir -m 700 "$1" ;;
		*) mkdir "$1" ;;
		esac
		: >"$1/.k3s-registry"
	}
}

unfolder() {
	[ ! -e "$1/.k3s-registry" ] || {
		rm -f "$1/.k3s-registry"
		if rmdir "$1"; then unfolder "${1%/*}"; else : >"$1/.k3s-registry"; fi
	}
}

durable() {
	sync "$1" || sync
}

same() {
	[ "$(sha256sum <"$1")" = "$(sha256sum <"$2")" ]
}

# put PART FILE: make FILE what $work/new is.
put() {
	file=$2
	[ ! -L "$file" ] || file=$(readlink -f "$file")
	beside=$file.k3s-registry
	# What a killed run left.
	[ "$verb" = check ] || rm -f "$beside"
	! same "$work/new" "$file" || return 0
	note "$1"
	[ "$verb" != check ] || return 0
	folder "${file%/*}"
	# The copy is for owner and mode.
	[ ! -e "$file" ] || cp -p "$file" "$beside"
	cat "$work/new" >"$beside"
	durable "$beside"
	# A file that is itself a mount (containers do that to /etc/hosts) cannot be renamed over, only rewritten.
	if grep -qsF " $file " /proc/self/mountinfo; then
		cat "$beside" >"$file"
		rm -f "$beside"
	else
		mv -f "$beside" "$file"
	fi
	durable "${file%/*}"
	restorecon "$file" || :
}

# ours FILE WANTED: FILE begins with the line that WANTED begins with.
ours() {
	line=''
	IFS= read -r line <"$1" || :
	[ "$line" = "${2%%"$nl"*}" ]
}

# gone PART FILE WANTED: remove FILE if it is ours, and what a killed run left.
gone() {
	rm -f "$2.k3s-registry"
	[ -e "$2" ] && ours "$2" "$3" || return 0
	note "$1"
	rm -f "$2"
}

find_k3s
option private-registry
registries=${value:-/etc/rancher/k3s/registries.yaml}
ca=$root$ca_file
toml=$root$certs/$registry/hosts.toml
