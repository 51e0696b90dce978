# shellcheck shell=sh disable=SC2034,SC2154
# What stays and what does not: planned on a copy of the images' names, so that planning changes nothing.
#
# The registry's own collection decides what a kept tag needs. It is asked about a shadow: a store whose blobs are the
# real ones, and whose tags are only those that stay.

store=docker/registry/v2
probe_repository=k3s-registry/pull-proof

# list_tags: `SECOND REPOSITORY TAG DIGEST` for each tag, from the newest push to the oldest.
list_tags() {
	find "$images/$store/repositories" -path '*/_manifests/tags/*/current/link' -exec stat -c '%Y %n' {} + |
		awk -v root="$images/$store/repositories/" '{
			second = $1; path = substr($0, length($1) + 2); digest = ""
			getline digest < path; close(path)
			name = substr(path, length(root) + 1)
			sub(/\/current\/link$/, "", name)
			tag = name; sub(/.*\//, "", tag)
			sub(/\/_manifests\/tags\/[^\/]*$/, "", name)
			if (digest != "" && tag !~ /^k3s-registry-hold-/) print second, name, tag, digest
		}' | sort -k1,1nr -k2
}

# list_manifests: `SECOND REPOSITORY DIGEST` for each manifest.
list_manifests() {
	find "$images/$store/repositories" -path '*/_manifests/revisions/*/link' -exec stat -c '%Y %n' {} + |
		awk -v root="$images/$store/repositories/" '{
			second = $1; name = substr($0, length($1) + length(root) + 2)
			sub(/\/link$/, "", name)
			digest = name; sub(/.*\/revisions\//, "", digest); sub(/\//, ":", digest)
			sub(/\/_manifests\/revisions\/.*/, "", name)
			print second, name, digest
		}' | sort -k1,1nr -k2
}

# matches TAG: whether the configuration keeps the tag by its name.
matches() {
	for pattern in $keep_patterns; do
		# shellcheck disable=SC2254 # the pattern is one
		case $1 in $pattern) return 0 ;; esac
	done
	return 1
}

# choose_tags: from `SECOND REPOSITORY TAG DIGEST` the lines `REPOSITORY TAG DIGEST` of the tags that stay: those that
# match a pattern, those that a workload names, and the newest of the others. Tags that were pushed in the same second
# as the last of these stay too: nothing says which is newer. A tag that belongs to another image is not counted.
choose_tags() {
	while read -r second name tag digest; do
		if matches "$tag"; then echo "m $second $name $tag $digest"; else echo "- $second $name $tag $digest"; fi
	done | awk -v keep="$keep" -v used="$work/used" '
		BEGIN { while ((getline line < used) > 0) names[line] }
		$1 == "m" || (($3 " " $4) in names) { print $3, $4, $5; next }
		$4 ~ /^sha256-[0-9a-f]+/ && length($4) >= 71 { next }
		seen[$3]++ < keep { last[$3] = $2; print $3, $4, $5; next }
		$2 == last[$3] { print $3, $4, $5 }'
}

# hold_manifests: from `SECOND REPOSITORY DIGEST` the lines of manifests that stay without a tag of their own: those
# that a workload names, and the newest proof's.
hold_manifests() {
	awk -v used="$work/used" -v probe="$probe_repository" '
		BEGIN { while ((getline line < used) > 0) names[line] }
		$2 == probe && newest == "" { newest = $1 }
		($3 in names) || ($2 == probe && $1 == newest) { print $2, hold($3), $3 }
		function hold(digest) { sub(/.*:/, "", digest); return "k3s-registry-hold-" digest }'
}

# more_to_hold: what the marked images need besides their own tags. First, each marked manifest, or the collection would
# pass over what it refers to where another repository has marked it before. Second, tags that belong to a marked image,
# such as signatures (`sha256-HEX.sig`) and lists of referrers (`sha256-HEX`).
more_to_hold() {
	awk -v marked="$work/marked" -v roots="$work/roots" '
		BEGIN {
			while ((getline line < marked) > 0) is_marked[line]
			while ((getline line < roots) > 0) {
				split(line, part, " ")
				has_tag[part[1] " " part[3]]
				has_name[part[1] " " part[2]]
			}
		}
		NF == 3 && ($3 in is_marked) && !(($2 " " $3) in has_tag) {
			hex = $3; sub(/.*:/, "", hex); print $2, "k3s-registry-hold-" hex, $3
		}
		NF == 4 && $3 ~ /^sha256-/ && (("sha256:" substr($3, 8, 64)) in is_marked) && !(($2 " " $3) in has_name) {
			print $2, $3, $4
		}' "$work/manifests" "$work/tags"
}

# build_shadow: the names of all manifests and layers, without any tag.
build_shadow() {
	rm -rf "$work/shadow"
	mkdir -p "$work/shadow/$store/repositories"
	ln -s "$images/$store/blobs" "$work/shadow/$store/blobs"
	(cd "$images/$store/repositories" && find . -type d \( -name _layers -o -path '*/_manifests/revisions' \) -prune) |
		while read -r folder; do
			mkdir -p "$work/shadow/$store/repositories/$folder"
			cp -a "$images/$store/repositories/$folder/." "$work/shadow/$store/repositories/$folder/"
		done
}

# add_roots ROOT: adds lines `REPOSITORY TAG DIGEST` as tags below a store.
add_roots() {
	while read -r name tag digest; do
		folder=$1/$store/repositories/$name/_manifests/tags/$tag/current
		mkdir -p "$folder"
		printf %s "$digest" >"$folder/link"
	done
}

# mark: what the collection would keep and free in the shadow.
mark() {
	REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$work/shadow registry garbage-collect --dry-run --delete-untagged \
		"$configuration" >"$work/collection" 2>"$work/errors" ||
		fail "the registry's own collection refuses the images: $(tail -n 3 "$work/errors"). Nothing was deleted."
	sed -n 's/.*: marking [a-z]* \([a-z0-9]*:[0-9a-f]*\) *$/\1/p' "$work/collection" | sort -u >"$work/marked"
	sed -n 's/^blob eligible for deletion: //p' "$work/collection" >"$work/unneeded"
}

# bytes: the size of the blobs that are named on standard input and exist.
bytes() {
	sed 's|^\([^:]*\):\(..\)\(.*\)|\1/\2/\2\3/data|' | while read -r path; do
		stat -c %s "$images/$store/blobs/$path" 2>/dev/null || :
	done | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# A tag that stays and whose manifest exists is marked, or the plan is wrong.
check_plan() {
	while read -r name tag digest; do
		if grep -qxF "$digest" "$work/marked"; then continue; fi
		if [ "$(echo "$digest" | bytes)" = 0 ]; then
			say "$name:$tag has lost its image ($digest) and cannot be pulled: push it again, or delete the tag."
		else
			fail "the plan would lose $name:$tag, which stays. Nothing was deleted. Please report this."
		fi
	done <"$work/roots"
}

plan() {
	list_tags >"$work/tags"
	list_manifests >"$work/manifests"
	choose_tags <"$work/tags" >"$work/roots"
	hold_manifests <"$work/manifests" >>"$work/roots"
	build_shadow
	add_roots "$work/shadow" <"$work/roots"
	while mark && more_to_hold >"$work/more" && [ -s "$work/more" ]; do
		cat "$work/more" >>"$work/roots"
		add_roots "$work/shadow" <"$work/more"
	done
	check_plan
	awk 'NR == FNR { stays[$1 " " $2]; next } !(($2 " " $3) in stays) { print $2, $3 }' \
		"$work/roots" "$work/tags" >"$work/expired"
	unneeded_manifests=$(grep -c '^manifest eligible for deletion' "$work/collection" || :)
	unneeded_bytes=$(bytes <"$work/unneeded")
}
