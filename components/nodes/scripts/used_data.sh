# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# The data-dir that K3s uses, or used last. The proof needs nothing else of K3s's settings.

# find_data: Sets data. Where no K3s runs, it may be between two starts. Its files are not understood then: of all
# paths that they name, the data-dir is the one below which K3s wrote crictl's configuration, as it does at each start.
find_data() {
	find_running_data
	data=$running_data
	if [ "$data" ]; then return 0; fi
	data=/var/lib/rancher/k3s newest=''
	print_named_paths | sort -u >"$work/paths"
	while IFS= read -r path; do
		file=$root$path/agent/etc/crictl.yaml
		if [ ! -e "$file" ]; then continue; fi
		if [ ! "$newest" ] || [ "$file" -nt "$newest" ]; then data=${path%/} newest=$file; fi
	done <"$work/paths"
}

# print_named_paths: those in the files of K3s and of its services, and in the files that these name.
print_named_paths() {
	echo "$data"
	for directory in etc run/systemd lib/systemd usr/lib/systemd usr/local/lib/systemd; do
		find -L "$root/$directory" -path '*k3s*' -type f 2>/dev/null || :
	done | print_paths >"$work/named"
	cat "$work/named"
	sed "s|^|$root|" "$work/named" | print_paths
}

# print_paths: those in the files whose names it reads. A path may lead to a program, so that each file is read only as
# far as settings may reach.
print_paths() {
	sort -u | while IFS= read -r file; do
		if [ -f "$file" ]; then head -c 65536 "$file" | awk "$paths_awk"; fi
	done
}
