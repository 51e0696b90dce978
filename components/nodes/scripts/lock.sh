# shellcheck shell=sh disable=SC2034,SC2154,SC2329  # joined with the other parts
# The lock: one run at a time may change a node.
#
# It is a symbolic link whose target is the owner's process number. A link is created together with its target in one
# step, so there is no moment at which the lock has no owner. Whoever replaces or removes the lock of another process
# first takes $lock.break: otherwise two waiting runs could each remove the other's new lock.
#
# A restart of K3s outlives the run that asked for it, so its process takes the lock over:
#
#   lock ->      run               restart process             (none)
#   run          starts restart    waits for the outcome       reports, ends
#   restart      takes it over     restarts K3s, decides       removed it, has ended
#   others       wait              wait                        one of them takes it

# take_lock: waits for the lock. It is removed when the run ends (finish in session.sh), unless it has been taken over.
take_lock() {
	waited=0
	until ln -sn $$ "$lock"; do
		waited=$((waited + 1))
		if clear_stale_lock; then continue; fi
		# The second lock is only ever held briefly: one that is still there belongs to a process that died.
		if [ "$waited" = 5 ] && ! kill -0 "$(readlink "$lock.break")"; then rm -f "$lock.break"; fi
		if [ "$waited" -ge "${lock_seconds:-120}" ]; then
			die "found $lock held by process $owner for $waited seconds" "one run at a time may change a node" \
				"let it end or remove that file"
		fi
		sleep 1
	done
}

# clear_stale_lock: removes the lock of a process that has died; fails where its owner lives. Sets owner.
clear_stale_lock() {
	owner=$(readlink "$lock") || owner=''
	if [ ! "$owner" ] || kill -0 "$owner" || ! ln -sn $$ "$lock.break"; then return 1; fi
	if [ "$(readlink "$lock")" = "$owner" ]; then rm -f "$lock"; fi
	rm -f "$lock.break"
}

# take_over_lock PID: takes the lock over from the process PID, or waits for it where PID has lost it.
take_over_lock() {
	waited=0
	until ln -sn $$ "$lock.break" || [ "$waited" -ge 5 ]; do
		waited=$((waited + 1))
		sleep 1
	done
	if [ "$(readlink "$lock")" = "$1" ] && ln -sn $$ "$lock.$$"; then mv -f "$lock.$$" "$lock"; fi
	rm -f "$lock.break"
	if [ "$(readlink "$lock")" != $$ ]; then take_lock; fi
}

# clear_leftovers: removes the temporary directories of runs that were killed.
clear_leftovers() {
	for directory in "$root"/run/k3s-registry.[0-9]*; do
		if ! kill -0 "${directory##*.}"; then rm -rf "$directory"; fi
	done
}
