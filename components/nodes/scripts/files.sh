# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# How a file of the node is changed: replaced by rename, so that a crash leaves it wholly old or wholly new.
#
# What a command reports although the run goes on is silenced: a failure shows the last line of what was reported.

# note PART: PART has changed, or has drifted. Adds it to what.
note() {
	case $what in
	*"\"$1\""*) ;;
	*) what="$what,\"$1\"" ;;
	esac
}

# create_directory DIRECTORY: with its parents. Those that this program creates hold a marker, so that only they are
# removed again. They come and go under another name: a run killed between directory and marker would leave one for
# ever.
create_directory() {
	if [ -d "$1" ]; then return 0; fi
	create_directory "${1%/*}"
	mkdir -p "$1.k3s-registry"
	case $1 in
	*/certs.d*) chmod 700 "$1.k3s-registry" ;;
	esac
	: >"$1.k3s-registry/.k3s-registry"
	mv "$1.k3s-registry" "$1"
}

# remove_directory DIRECTORY: and its parents, as far as this program created them and nothing else is in them.
remove_directory() {
	if [ "$(ls -A "$1" 2>/dev/null)" = .k3s-registry ]; then mv "$1" "$1.k3s-registry"; fi
	if [ -d "$1.k3s-registry" ]; then
		rm -f "$1.k3s-registry/.k3s-registry"
		# Something that came into it meanwhile stays.
		rmdir "$1.k3s-registry" 2>/dev/null || mv "$1.k3s-registry" "$1"
	fi
	if [ ! -e "${1:-/}" ]; then remove_directory "${1%/*}"; fi
}

# sync_file FILE
sync_file() {
	sync "$1" 2>/dev/null || sync
}

# same_content FILE FILE
same_content() {
	[ -f "$2" ] && [ "$(sha256sum <"$1")" = "$(sha256sum <"$2")" ]
}

# try_file NAME FILE: in the trial before the first change, refuses a file that could not be written. NAME is how the
# node knows it, FILE where it really is.
try_file() {
	if [ ! "$trial" ] || reason=$(try_to_write "$2" 2>&1); then return 0; fi
	remedy='replace it by a plain file in a writable directory, or remove the node from the configuration'
	case $1 in
	"${anchors:-none}"/* | "${bundle:-}") remedy='mount it writable or set systemTrust: false' ;;
	esac
	die "found that ${1#"$root"} cannot be written: ${reason##*: }" "root must be able to replace it" "$remedy"
}

# try_to_write FILE: by a file, or a directory, beside what would be the first to change.
try_to_write() {
	place=$1
	until [ -d "${place%/*}/" ]; do place=${place%/*}; done
	if [ -L "$place" ] && [ ! -e "$place" ]; then
		echo "$place is a link to $(readlink "$place"), where nothing is" && return 1
	elif [ "$place" != "$1" ]; then
		if [ -e "$place" ]; then echo "$place is no directory" && return 1; fi
		mkdir -p "$place.k3s-registry" && { rmdir "$place.k3s-registry" || :; }
	else
		{ : >"$place.k3s-registry" && rm -f "$place.k3s-registry"; } || return 1
		# An immutable file cannot be opened for reading and writing, nor one that can only grow.
		if [ -e "$place" ]; then : <>"$place"; fi
	fi
}

# write_file PART FILE: FILE becomes what $work/new holds. To be called where a failing command ends the run.
write_file() {
	file=$2
	if [ -L "$file" ] && [ -e "$file" ]; then file=$(readlink -f "$file"); fi
	beside=$file.k3s-registry
	# A killed run may have left it.
	if [ "$verb" != check ]; then rm -f "$beside"; fi
	if same_content "$work/new" "$file"; then return 0; fi
	note "$1"
	if [ "$verb" = check ]; then
		try_file "$2" "$file"
		return 0
	fi
	create_directory "${file%/*}"
	# The copy is for owner and mode.
	if [ -e "$file" ]; then cp -p "$file" "$beside"; fi
	cat "$work/new" >"$beside"
	sync_file "$beside"
	# A file that is itself a mount (containers do that to /etc/hosts) cannot be renamed over, only rewritten.
	if grep -qsF " $file " /proc/self/mountinfo; then
		cat "$beside" >"$file"
		rm -f "$beside"
	else
		mv -f "$beside" "$file"
	fi
	sync_file "${file%/*}"
	restorecon "$file" 2>/dev/null || :
}

# begins_like FILE TEXT: FILE begins with the first line of TEXT, which marks a file as ours. Sets line.
begins_like() {
	line=''
	IFS= read -r line <"$1" || :
	[ "$line" = "${2%%"$nl"*}" ]
}

# remove_file PART FILE TEXT: FILE goes if it begins like TEXT, and so does what a killed run left.
remove_file() {
	rm -f "$2.k3s-registry"
	if [ ! -e "$2" ] || ! begins_like "$2" "$3"; then return 0; fi
	note "$1"
	rm -f "$2"
}
