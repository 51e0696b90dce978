# shellcheck shell=sh disable=SC2154  # joined with the other parts
# What makes one node trust the registry: `apply` brings it about, `remove` gives the node its former files back, `check`
# changes nothing and tells what drifted.
#
# The order of writing is CA, system store, hosts, registries.yaml, hosts.toml (backwards when removing), so that no file
# ever names a CA that is not there yet.

# Nothing is touched on a node on which this would not end well.
preflight() {
	command -v k3s || die "found no k3s command; the node must run K3s; install it or take the node out of the config"
	old=$(k3s --version | awk '/^k3s version v1\./ { split($3, v, "."); if (v[2] < 30) print $3 }')
	[ ! "$old" ] || die "found K3s $old; it must be v1.30 or newer; upgrade K3s"
	activation_sound
	registries_wanted || die "$(cat "$work/registries")"
	[ ! -e "$toml" ] || ours "$toml" "$hosts_toml" ||
		die "found \"$line\" in $certs/$registry/hosts.toml, which is not ours; settings of others stay; move that file away and run pulumi up again"
	each_hosts_file hosts_sound
	[ "$system_trust" != true ] || [ "$anchors" ] || die "found no system certificate store of Debian, RHEL, SUSE or Alpine; systemTrust needs one; install ca-certificates or set systemTrust: false"
}

# Who brought this about: one machine may be configured under two names for a while, since an `up` that renames a node
# creates the new one's resources before it deletes the old one's.
owners=$root/etc/rancher/k3s/k3s-registry-nodes
others=$(grep -vxF "$node" "$owners") || :

case $verb in
apply)
	certificates
	preflight
	if [ "$restart" ]; then restart_prepare; else journal_gone; fi
	;;
check)
	certificates
	# What cannot be merged is not as it should be.
	registries_wanted || note registries
	;;
activate) activate ;;
remove)
	registries_wanted || die "$(cat "$work/registries")"
	each_hosts_file hosts_sound
	;;
esac

# pulls_not REGISTRY: containerd has no settings of ours for it any more.
pulls_not() {
	[ "$verb" != check ] || {
		note hosts.toml
		return 0
	}
	gone hosts.toml "$root$certs/$1/hosts.toml" "$hosts_toml"
	unfolder "$root$certs/$1"
	rmdir "$root$certs/$1" || :
}

former_gone() {
	case $former in
	'' | "$registry" | */*) ;;
	*) pulls_not "$former" ;;
	esac
}

if [ "$verb" = remove ] && [ "$others" ]; then
	printf '%s\n' "$others" >"$work/new"
	put nodes "$owners"
elif [ "$verb" = remove ]; then
	former_gone
	pulls_not "$registry"
	unfolder "$root$certs"
	registries_gone
	each_hosts_file hosts_put
	store
	journal_gone
	gone ca "$ca" "$(cat "$ca")"
	gone nodes "$owners" "$node"
	unfolder "${ca%/*}"
	unfolder "${yaml%/*}"
else
	former_gone
	printf %s "$authorities" >"$work/new"
	put ca "$ca"
	store
	each_hosts_file hosts_put
	case $what in
	*registries*) ;;
	*) registries_put ;;
	esac
	printf %s "$hosts_toml" >"$work/new"
	mirrored || put hosts.toml "$toml"
	printf '%s\n' "$node$nl$others" | sed '/^$/d' | sort >"$work/new"
	put nodes "$owners"
	[ ! "$restart" ] || restart_await
fi

if [ "$verb" = check ]; then
	[ "$config_path" ] && [ ! -e "$journal" ] || note restart
	printf '{"drift":[%s]}\n' "${what#,}" >&4
	[ ! "$what" ] || exit 3
	exit 0
fi
changed=false revision=''
[ ! "$what" ] || changed=true
[ "$verb" != apply ] || revision=$(printf '%s\n' "$authorities" "$names" "$address" "$mirrors_entry" "$configs_entry" "$hosts_toml" | sha256sum)
[ ! "$revision" ] || revision=",\"revision\":\"${revision%% *}\""
printf '{"changed":%s,"what":[%s]%s}\n' $changed "${what#,}" "$revision" >&4
exit 0
