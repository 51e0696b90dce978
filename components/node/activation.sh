# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# Whether containerd heeds what we write. It reads hosts.toml at each pull, so as a rule nothing is restarted.

journal=$ca.restart
restart=''

activation_sound() {
	[ ! "$unit" ] || [ "${role:-$kind}" = "$kind" ] || die "found K3s as $kind here (service $unit); the config says '$role'; correct nodes.$node.role"
	option container-runtime-endpoint
	other=$value
	option docker
	[ "$value" != true ] || other=docker
	[ ! "$other" ] || die "found container runtime '$other' in the settings of K3s; it must be K3s' own containerd; remove that setting (service ${unit:-k3s}, $config_yaml) or take the node out of the config"
	[ -e "$root$config_toml" ] || die "found no $config_toml; K3s writes it when it starts; start K3s, or name its data-dir in $config_yaml"
	found="no config_path in $config_toml"
	if [ "$config_path" ]; then
		[ -e "$journal/saved" ] || return 0
		found='a restart of K3s that was cut short'
	else
		for template in "$data"/agent/etc/containerd/config-v3.toml.tmpl "$data"/agent/etc/containerd/config.toml.tmpl; do
			[ -e "$root$template" ] || continue
			grep -Eq 'config_path|template +"base"' "$root$template" ||
				die "found $found and its template; containerd must read hosts.toml files; add config_path = \"$certs\" to $template or remove it, and restart K3s"
			break
		done
	fi
	[ "${rollout:-}" = serial ] || die "found $found; K3s must be restarted, one node after another; set rollout: serial and run pulumi up again"
	[ "$unit" ] || die "found $found and no service of K3s; K3s must be restarted; restart it by hand and run pulumi up again"
	restart=1
}

journal_gone() {
	[ ! -e "$journal" ] || {
		rm -f "$journal/saved"
		rm -rf "$journal"
	}
}

# mirrored: hosts.toml is as wanted but for parts that K3s's embedded registry mirror added to it.
mirrored() {
	grep -qs '^\[host\."https://' "$toml" && [ "$(awk '/^ *\[/ { other = /^\[host\."https:\/\/(127\.0\.0\.1|\[::1\]):/ } !other && NF' "$toml")" = "$(printf %s "$hosts_toml" | awk NF)" ]
}
