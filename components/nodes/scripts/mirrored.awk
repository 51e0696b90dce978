# mirrored.awk: a hosts.toml without the parts that K3s's embedded registry mirror adds, and without empty lines.
#
# Usage: awk -f mirrored.awk FILE

/^ *\[/ { of_mirror = $0 ~ /^\[host\."https:\/\/(127\.0\.0\.1|\[::1\]):/ }

!of_mirror && NF
